"""Choosing hosts: pure, from rooms and requests to choices that can account for themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from freehold.compute.placement.filters import FILTERS, Miss
from freehold.compute.placement.room import Request, Room
from freehold.compute.placement.weights import preference


@dataclass(frozen=True)
class Choice:
    """What became of one request.

    Attributes:
        host: The chosen host's name, None when none did.
        hosts: How many were looked at.
        removed: What each filter removed, in its order: (end of the sentence, number).
        nearest: The reason of the host that came furthest, with the least missing.
    """

    host: str | None
    hosts: int
    removed: tuple[tuple[str, int], ...] = ()
    nearest: str | None = None

    @property
    def report(self) -> str:
        """Why no host did (invariant 9): what each filter removed, and the nearest miss."""
        if not self.hosts:
            return (
                "No valid host was found. There are no hosts. Register one (PUT /v1/hosts/<name>)."
            )
        counts = ", ".join(f"{number} {end}" for end, number in self.removed if number)
        noun = "host was" if self.hosts == 1 else "hosts were"
        return (
            f"No valid host was found. {self.hosts} {noun} looked at: {counts}. "
            f"Nearest miss: {self.nearest}. Choose a smaller flavor or another zone, free room, or "
            "add a host, then create the server again."
        )


def choose(rooms: Sequence[Room], request: Request) -> Choice:
    """The best host for one request.

    Args:
        rooms: Every host; any order.
    """
    left = list(rooms)
    removed: list[tuple[str, int]] = []
    misses: list[tuple[int, float, str]] = []
    for position, rule in enumerate(FILTERS):
        judged: list[tuple[Room, Miss | None]] = [
            (room, rule.check(room, request)) for room in left
        ]
        misses += [(-position, m.shortage, m.reason) for _, m in judged if m is not None]
        removed.append((rule.removed, sum(miss is not None for _, miss in judged)))
        left = [room for room, miss in judged if miss is None]
    nearest = min(misses)[2] if misses else None
    if not left:
        return Choice(None, len(rooms), tuple(removed), nearest)
    return Choice(min(left, key=preference).name, len(rooms), tuple(removed), nearest)


def place(rooms: Sequence[Room], requests: Sequence[Request]) -> list[Choice]:
    """Choose for each request in order; each choice takes its room before the next is made."""
    by_name = {room.name: room for room in rooms}
    choices = []
    for request in requests:
        choice = choose(list(by_name.values()), request)
        if choice.host is not None:
            room = by_name[choice.host]
            used = room.used.plus(request.vcpus, request.memory_mib, request.disk_gib)
            by_name[choice.host] = replace(room, used=used)
        choices.append(choice)
    return choices
