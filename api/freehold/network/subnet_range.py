"""What a subnet covers: its network, gateway, pools, routes. Pure: text in, checked values out.

Every function raises BadRequest or Conflict with neutron's name of the error.
"""

from __future__ import annotations

from collections.abc import Sequence

from netaddr import AddrFormatError, IPAddress, IPNetwork, IPRange, IPSet

from freehold.errors import BadRequest, Conflict

Span = tuple[str, str]
MAX_DNS_NAMESERVERS = 5
MAX_HOST_ROUTES = 20


def parse_address(text: str) -> IPAddress:
    """An IP address."""
    try:
        return IPAddress(text, flags=0)
    except (AddrFormatError, ValueError, TypeError) as error:
        raise BadRequest(f"Invalid input. '{text[:64]}' is not a valid IP address.") from error


def parse_network(text: str) -> IPNetwork:
    """A network of any size, host bits cleared; an address alone is a network of one."""
    try:
        return IPNetwork(text).cidr
    except (AddrFormatError, ValueError, TypeError) as error:
        raise BadRequest(f"Invalid input. '{text[:64]}' is not a valid IP subnet.") from error


def parse_cidr(text: str, version: int) -> IPNetwork:
    """The network of a subnet; it has a length, a version and room for hosts."""
    cidr = parse_network(text)
    if "/" not in text or cidr.version != version:
        raise BadRequest(
            f"Invalid input for operation: '{text[:64]}' is not an IPv{version} CIDR such as "
            f"{'10.0.0.0/24' if version == 4 else 'fd00::/64'}."
        )
    if cidr.prefixlen == 0 or cidr.ip.is_multicast() or cidr.ip.is_loopback():
        raise BadRequest(f"Invalid input for operation: '{text[:64]}' cannot be a subnet.")
    if version == 4 and int(cidr.first) >> 24 == 0:
        raise BadRequest(f"Invalid input for operation: '{text[:64]}' is no network of hosts.")
    return cidr


def overlap(one: str | IPNetwork, other: str | IPNetwork) -> bool:
    """Whether two networks have addresses in common."""
    first, second = IPNetwork(one), IPNetwork(other)
    return bool(first.version == second.version and (first in second or second in first))


def is_host(address: IPAddress, cidr: IPNetwork) -> bool:
    """Whether a host can have the address: not the network's own nor, with IPv4, broadcast."""
    if address not in cidr:
        return False
    if cidr.version == 6:
        return bool(cidr.prefixlen >= 127 or int(address) != cidr.first)
    return bool(cidr.prefixlen >= 31 or int(address) not in (cidr.first, cidr.last))


def usual_gateway(cidr: IPNetwork) -> str | None:
    """The first address that a host can have; None where that would be the only one."""
    if cidr.size <= 1:
        return None
    offset = 0 if cidr.size == 2 else 1
    return str(IPAddress(cidr.first + offset, cidr.version))


def gateway_of(text: str, cidr: IPNetwork) -> str:
    """A gateway that was asked for; with IPv6 it may be link-local."""
    address = parse_address(text)
    link_local = cidr.version == 6 and address.version == 6 and address.is_link_local()
    if not is_host(address, cidr) and not link_local:
        raise BadRequest(
            f"Invalid input for operation: Gateway is not valid on subnet: {text[:64]} is no "
            f"address of a host in {cidr}."
        )
    return str(address)


def usual_pools(cidr: IPNetwork, gateway: str | None) -> list[dict[str, str]]:
    """Everything but the gateway and what no host can have."""
    first, last = int(cidr.first), int(cidr.last)
    if cidr.version == 4 and cidr.prefixlen < 31:
        first, last = first + 1, last - 1
    elif cidr.version == 6 and cidr.prefixlen < 127:
        first += 1
    spans = [(first, last)]
    if gateway is not None and IPAddress(gateway) in cidr:
        taken = int(IPAddress(gateway))
        spans = [(first, taken - 1), (taken + 1, last)]
    return [
        {
            "start": str(IPAddress(start, cidr.version)),
            "end": str(IPAddress(end, cidr.version)),
        }
        for start, end in spans
        if start <= end
    ]


def pools_of(spans: Sequence[Span], cidr: IPNetwork, gateway: str | None) -> list[dict[str, str]]:
    """The pools that were asked for, in the order of their addresses."""
    seen = IPSet()
    pools = []
    for said_start, said_end in spans:
        start, end = parse_address(said_start), parse_address(said_end)
        said = f"{start}-{end}"
        if start.version != cidr.version or end.version != cidr.version or start > end:
            raise BadRequest(
                f"The allocation pool {said} is not valid.", kind="InvalidAllocationPool"
            )
        if not (is_host(start, cidr) and is_host(end, cidr)):
            raise BadRequest(
                f"The allocation pool {said} spans beyond the subnet cidr {cidr}.",
                kind="OutOfBoundsAllocationPool",
            )
        part = IPSet(IPRange(start, end))
        if not seen.isdisjoint(part):
            raise Conflict(
                f"Found overlapping allocation pools: {said} for subnet {cidr}.",
                kind="OverlappingAllocationPools",
            )
        seen |= part
        pools.append((int(start), {"start": str(start), "end": str(end)}))
    require_gateway_outside(gateway, [pool for _, pool in pools])
    return [pool for _, pool in sorted(pools, key=lambda pair: pair[0])]


def require_gateway_outside(gateway: str | None, pools: Sequence[dict[str, str]]) -> None:
    """A gateway must not be in a pool, or a port could get its address."""
    for pool in pools:
        if gateway is not None and IPAddress(gateway) in IPRange(pool["start"], pool["end"]):
            raise Conflict(
                f"Gateway ip {gateway} conflicts with allocation pool "
                f"{pool['start']}-{pool['end']}.",
                kind="GatewayConflictWithAllocationPools",
            )


def nameservers_of(wished: Sequence[str]) -> list[str]:
    """DNS servers, each once, few enough for a DHCP answer."""
    if len(wished) > MAX_DNS_NAMESERVERS:
        raise BadRequest(
            f"Invalid input for dns_nameservers. A subnet has at most {MAX_DNS_NAMESERVERS}.",
            kind="DNSNameServersExhausted",
        )
    parsed = [str(parse_address(text)) for text in wished]
    if len(set(parsed)) != len(parsed):
        raise BadRequest("Invalid input for dns_nameservers. A DNS server is named twice.")
    return parsed


def routes_of(wished: Sequence[Span], version: int | None = None) -> list[dict[str, str]]:
    """Routes in their stored form, each once.

    Args:
        wished: Destination and next hop.
        version: The one that all must be of; None only wants both ends of a route to agree.
    """
    routes: list[dict[str, str]] = []
    for said_destination, said_nexthop in wished:
        destination, nexthop = parse_network(said_destination), parse_address(said_nexthop)
        if destination.version != nexthop.version or version not in (None, nexthop.version):
            wanted = f"IPv{version}" if version else "one IP version"
            raise BadRequest(
                f"Invalid input for routes. The route to {destination} by {nexthop} is not of "
                f"{wanted}."
            )
        route = {"destination": str(destination), "nexthop": str(nexthop)}
        if route in routes:
            raise BadRequest(f"Invalid input for routes. Duplicate route to {destination}.")
        routes.append(route)
    return routes
