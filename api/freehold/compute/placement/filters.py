"""Filters: each says why a host cannot take a server, or that it can.

They run in this order, so a report reads from the operator's wish to the last missing MiB. Add one
by adding a function to ``FILTERS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from freehold.compute.placement.room import Request, Room


@dataclass(frozen=True)
class Miss:
    """Why one host does not do.

    Attributes:
        reason: A sentence about the host, its name first.
        shortage: Part of what is asked that is missing, 0 to 1; the smallest is the nearest miss.
    """

    reason: str
    shortage: float = 1.0


@dataclass(frozen=True)
class Filter:
    """A rule; ``removed`` ends the sentence "n hosts …" in a report."""

    removed: str
    check: Callable[[Room, Request], Miss | None]


def requested(room: Room, request: Request) -> Miss | None:
    """The host that an operator named, when one is named."""
    if request.host in (None, room.name):
        return None
    return Miss(f"{room.name} is not the requested host {request.host}")


def in_use(room: Room, request: Request) -> Miss | None:
    """Enabled by the operator and described by a run."""
    if not room.enabled:
        return Miss(f"{room.name} is disabled")
    if not room.described:
        return Miss(f"{room.name} has not yet told what it has")
    return None


def in_zone(room: Room, request: Request) -> Miss | None:
    """In the availability zone that is asked for."""
    if request.zone in (None, room.zone):
        return None
    return Miss(f"{room.name} is in availability zone {room.zone}, not in {request.zone}")


def enough_vcpus(room: Room, request: Request) -> Miss | None:
    """Shared vCPUs left, and no more wanted than the host has at all."""
    if request.vcpus > room.vcpus:
        return Miss(
            f"{room.name} has {room.vcpus} vCPUs in all, {request.vcpus} are wanted",
            _part(request.vcpus, room.vcpus),
        )
    return _lack(room.name, "vCPUs", request.vcpus, room.free_vcpus)


def enough_memory(room: Room, request: Request) -> Miss | None:
    """Memory left."""
    return _lack(room.name, "MiB of memory", request.memory_mib, room.free_memory_mib)


def enough_disk(room: Room, request: Request) -> Miss | None:
    """Disk left."""
    return _lack(room.name, "GiB of disk", request.disk_gib, room.free_disk_gib)


def _lack(name: str, what: str, wanted: int, free: int) -> Miss | None:
    if wanted <= free:
        return None
    reason = f"{name} has {max(free, 0)} {what} free, {wanted} are wanted"
    return Miss(reason, _part(wanted, free))


def _part(wanted: int, there: int) -> float:
    return min(1.0, (wanted - there) / wanted)


FILTERS = (
    Filter("not the requested host", requested),
    Filter("disabled or not yet described", in_use),
    Filter("outside the availability zone", in_zone),
    Filter("without enough vCPUs", enough_vcpus),
    Filter("without enough memory", enough_memory),
    Filter("without enough disk", enough_disk),
)
