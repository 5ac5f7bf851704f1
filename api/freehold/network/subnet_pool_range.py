"""Which part of a subnet pool a subnet gets. Pure: what is there and asked in, a range out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netaddr import IPNetwork, IPSet

from freehold.errors import BadRequest, Conflict
from freehold.network.subnet_range import parse_network

QUOTA_PREFIX = {4: 32, 6: 64}
"""A pool's quota counts single addresses of IPv4 and /64 networks of IPv6 (API reference)."""
USUAL_MINIMUM = {4: 8, 6: 64}
WIDTH = {4: 32, 6: 128}


@dataclass(frozen=True)
class Lengths:
    """The prefix lengths that subnets of a pool may have, and the one when none is asked for."""

    shortest: int
    usual: int
    longest: int


def prefixes_of(wished: Sequence[str]) -> tuple[int, list[str]]:
    """The IP version of a pool's prefixes, and the prefixes without what overlaps.

    Raises:
        BadRequest: They are no networks, or of both versions.
    """
    networks = [parse_network(text) for text in wished]
    versions = {network.version for network in networks}
    if len(versions) != 1:
        raise BadRequest(
            "Invalid input for operation: prefixes of a subnet pool must be of one IP version.",
            kind="PrefixVersionMismatch",
        )
    return versions.pop(), [str(cidr) for cidr in IPSet(networks).iter_cidrs()]


def lengths_of(
    version: int, shortest: int | None, usual: int | None, longest: int | None
) -> Lengths:
    """The lengths that were asked for, the others as the API reference has them.

    Raises:
        BadRequest: They do not come in order.
    """
    low = USUAL_MINIMUM[version] if shortest is None else shortest
    high = WIDTH[version] if longest is None else longest
    middle = low if usual is None else usual
    if not 0 <= low <= middle <= high <= WIDTH[version]:
        raise BadRequest(
            f"Illegal prefix bounds: min_prefixlen={low}, default_prefixlen={middle}, "
            f"max_prefixlen={high}; each must not be larger than the next.",
            kind="IllegalSubnetPoolPrefixBounds",
        )
    return Lengths(low, middle, high)


def covers(prefixes: Sequence[str], others: Sequence[str]) -> bool:
    """Whether all of the others are inside the prefixes."""
    return bool(IPSet(others).issubset(IPSet(prefixes)))


def chosen_range(
    prefixes: Sequence[str], taken: Sequence[str], lengths: Lengths, prefixlen: int | None
) -> IPNetwork:
    """A free part of this length, from the smallest gap that it fits in.

    Raises:
        BadRequest: The pool gives no subnets of this length.
        Conflict: There is no such gap.
    """
    length = lengths.usual if prefixlen is None else prefixlen
    _require_length(length, lengths)
    gaps = (IPSet(prefixes) - IPSet(taken)).iter_cidrs()
    fitting = [gap for gap in gaps if gap.prefixlen <= length]
    if not fitting:
        raise Conflict(
            "Failed to allocate subnet: Insufficient prefix space to allocate subnet size "
            f"/{length}.",
            kind="SubnetAllocationError",
        )
    gap = max(fitting, key=lambda one: (one.prefixlen, -one.first))
    return next(gap.subnet(length))


def asked_range(
    prefixes: Sequence[str], taken: Sequence[str], lengths: Lengths, cidr: IPNetwork
) -> IPNetwork:
    """The part that was asked for.

    Raises:
        BadRequest: It is not of the pool, or of a length that the pool does not give.
        Conflict: It is taken.
    """
    _require_length(cidr.prefixlen, lengths)
    whole = IPSet([cidr])
    if not whole.issubset(IPSet(prefixes)):
        raise BadRequest(
            f"Failed to allocate subnet: {cidr} is not within the pool's prefixes.",
            kind="SubnetAllocationError",
        )
    if not whole.isdisjoint(IPSet(taken)):
        raise Conflict(
            f"Failed to allocate subnet: Cannot allocate requested subnet {cidr} from the "
            "available set of prefixes.",
            kind="SubnetAllocationError",
        )
    return cidr


def _require_length(length: int, lengths: Lengths) -> None:
    if length < lengths.shortest:
        raise BadRequest(
            f"Unable to allocate subnet with prefix length {length}, minimum allowed prefix is "
            f"{lengths.shortest}.",
            kind="MinPrefixSubnetAllocationError",
        )
    if length > lengths.longest:
        raise BadRequest(
            f"Unable to allocate subnet with prefix length {length}, maximum allowed prefix is "
            f"{lengths.longest}.",
            kind="MaxPrefixSubnetAllocationError",
        )


def quota_units(version: int, cidrs: Sequence[str]) -> int:
    """How much of a pool's quota these ranges use."""
    return sum(2 ** max(0, QUOTA_PREFIX[version] - IPNetwork(cidr).prefixlen) for cidr in cidrs)
