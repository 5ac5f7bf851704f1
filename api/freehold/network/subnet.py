"""Subnets: address ranges of a network, with their gateway, pools, DNS servers and routes."""

from __future__ import annotations

from typing import Any, Literal

from netaddr import AddrFormatError, IPAddress, IPNetwork, IPRange, IPSet
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Caller, Limit, Rule, hold, require_room
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Listing, Routes, SortKey
from freehold.jobs import Converged
from freehold.network.address import Address, new_mac
from freehold.network.collection import boolean, chosen, listed
from freehold.network.network import Network
from freehold.network.network import visible as visible_networks
from freehold.network.quota import DEFAULTS, used
from freehold.network.standard import Standard, Wish, converge, find, own_or, owner, remove
from freehold.store import Base, lock

MAX_DNS_NAMESERVERS = 5
MAX_HOST_ROUTES = 20
RULES = [
    Rule("create_subnet", "rule:admin_or_member", "POST /subnets"),
    Rule("get_subnet", "rule:logged_in", "GET /subnets"),
    Rule("update_subnet", "rule:admin_or_member", "PUT /subnets/{id}"),
    Rule("delete_subnet", "rule:admin_or_member", "DELETE /subnets/{id}"),
]


class Subnet(Standard, Converged, Base):
    """One subnet.

    Attributes:
        pools: ``[{"start", "end"}]`` from which addresses are chosen.
        dhcp_server_mac: Of the DHCP server that OVN plays.
    """

    __tablename__ = "subnets"

    network_id: Mapped[str] = mapped_column(ForeignKey("networks.id"), index=True)
    ip_version: Mapped[int]
    cidr: Mapped[str]
    gateway_ip: Mapped[str | None]
    enable_dhcp: Mapped[bool] = mapped_column(default=True)
    dns_nameservers: Mapped[list[str]]
    host_routes: Mapped[list[Any]]
    pools: Mapped[list[Any]]
    dhcp_server_mac: Mapped[str]

    __table_args__ = (Index("ix_subnets_unsettled", "satisfied", "generation"),)


class Pool(BaseModel):
    """A range of addresses."""

    model_config = ConfigDict(extra="forbid")
    start: str = Field(max_length=45)
    end: str = Field(max_length=45)


class HostRoute(BaseModel):
    """A route that DHCP tells guests."""

    model_config = ConfigDict(extra="forbid")
    destination: str = Field(max_length=49)
    nexthop: str = Field(max_length=45)


class SubnetChange(Wish):
    """Body of PUT, and what POST has in common with it."""

    gateway_ip: str | None = Field(default=None, max_length=45)
    enable_dhcp: bool = True
    dns_nameservers: list[str] = []
    host_routes: list[HostRoute] = []
    allocation_pools: list[Pool] = []


class SubnetWish(SubnetChange):
    """Body of POST. Address modes of IPv6 and subnet pools are not supported by this cloud yet."""

    network_id: str = Field(max_length=64)
    cidr: str = Field(max_length=49)
    ip_version: Literal[4, 6]
    ipv6_ra_mode: None = None
    ipv6_address_mode: None = None
    subnetpool_id: None = None
    use_default_subnetpool: Literal[False] = False
    prefixlen: None = None
    segment_id: None = None
    service_types: list[str] = Field(default=[], max_length=0)


class _One(BaseModel):
    model_config = ConfigDict(extra="forbid")
    subnet: SubnetWish


class _Many(BaseModel):
    model_config = ConfigDict(extra="forbid")
    subnets: list[SubnetWish] = Field(min_length=1, max_length=100)


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid")
    subnet: SubnetChange


LISTING = Listing(
    id=Subnet.id,
    columns={
        "id": Subnet.id,
        "name": Subnet.name,
        "project_id": Subnet.project_id,
        "network_id": Subnet.network_id,
        "cidr": Subnet.cidr,
        "ip_version": Subnet.ip_version,
        "gateway_ip": Subnet.gateway_ip,
        "enable_dhcp": Subnet.enable_dhcp,
        "description": Subnet.description,
    },
    parsers={
        "enable_dhcp": boolean,
        "ip_version": lambda text: int(text) if text.isdigit() else -1,
    },
    default_sort=(SortKey("id"),),
)


def visible(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: own subnets and those of networks that the caller may see."""
    networks = select(Network.id).where(Network.removed.is_(False), visible_networks(caller))
    return own_or(caller, Subnet.project_id, Subnet.network_id.in_(networks))


def wire(subnet: Subnet) -> dict[str, Any]:
    """One subnet in its wire form."""
    return subnet.standard_wire() | {
        "network_id": subnet.network_id,
        "ip_version": subnet.ip_version,
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway_ip,
        "enable_dhcp": subnet.enable_dhcp,
        "dns_nameservers": subnet.dns_nameservers,
        "host_routes": subnet.host_routes,
        "allocation_pools": subnet.pools,
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "subnetpool_id": None,
        "segment_id": None,
        "service_types": [],
    }


def list_subnets(call: Call) -> dict[str, Any]:
    """Subnets that the caller may see."""
    statement = select(Subnet).where(Subnet.removed.is_(False), visible(call.caller))
    return listed(call, "subnets", LISTING, statement, wire)


def show_subnet(call: Call, subnet_id: str) -> dict[str, Any]:
    """One subnet."""
    row = find(call.session, Subnet, subnet_id, visible(call.caller))
    return {"subnet": chosen(call, wire(row))}


def create_subnets(call: Call, body: _One | _Many) -> dict[str, Any]:
    """Make one subnet, or several at once or none."""
    wishes = [body.subnet] if isinstance(body, _One) else body.subnets
    shown = [wire(_create(call, wish)) for wish in wishes]
    return {"subnet": shown[0]} if isinstance(body, _One) else {"subnets": shown}


def _create(call: Call, wish: SubnetWish) -> Subnet:
    network = find(call.session, Network, wish.network_id, visible_networks(call.caller))
    call.enforce("create_subnet", {"project_id": network.project_id})
    project_id = owner(call, wish, "create_subnet")
    hold(call.session, project_id, "network")
    room = [Limit("subnet", used(call.session, Subnet, project_id))]
    require_room(call.session, project_id, "network", DEFAULTS, room)
    cidr = parse_cidr(wish.cidr, wish.ip_version)
    lock(call.session, "subnets", network.id)
    _require_no_overlap(call.session, network.id, cidr)
    gateway = _gateway(wish, cidr)
    pools = _pools(wish.allocation_pools, cidr, gateway)
    subnet = Subnet(
        project_id=project_id,
        name=wish.name,
        description=wish.description,
        created_at=call.now,
        updated_at=call.now,
        revision_number=0,
        network_id=network.id,
        ip_version=wish.ip_version,
        cidr=str(cidr),
        gateway_ip=gateway,
        enable_dhcp=wish.enable_dhcp,
        dns_nameservers=nameservers(wish.dns_nameservers),
        host_routes=routes_of(wish.host_routes, wish.ip_version),
        pools=pools,
        dhcp_server_mac=new_mac(),
        generation=0,
        satisfied=0,
        found={},
    )
    call.session.add(subnet)
    call.session.flush()
    call.session.expire(network, ["subnets"])
    converge(call.session, subnet, call.now)
    call.audit("create", "subnet", subnet.id)
    return subnet


def parse_cidr(text: str, version: int) -> IPNetwork:
    """The network a subnet covers.

    Raises:
        BadRequest: Not a network of this version, or one that no host fits into.
    """
    try:
        cidr = IPNetwork(text)
    except (AddrFormatError, ValueError) as error:
        raise BadRequest(f"'{text}' is not a valid IP subnet.", kind="InvalidInput") from error
    if "/" not in text or cidr.version != version:
        raise BadRequest(
            f"Invalid input for operation: '{text}' is not an IPv{version} CIDR.",
            kind="InvalidInput",
        )
    if cidr.prefixlen == 0 or cidr.ip.is_multicast() or cidr.ip.is_loopback():
        raise BadRequest(f"Invalid input for operation: '{text}' cannot be a subnet.")
    return cidr.cidr


def _require_no_overlap(session: Session, network_id: str, cidr: IPNetwork) -> None:
    others = session.execute(
        select(Subnet.id, Subnet.cidr).where(
            Subnet.network_id == network_id, Subnet.removed.is_(False)
        )
    ).all()
    for other_id, other in others:
        if cidr.version == IPNetwork(other).version and cidr in _joined(IPNetwork(other), cidr):
            raise BadRequest(
                f"Invalid input for operation: Requested subnet with cidr: {cidr} for network: "
                f"{network_id} overlaps with another subnet: {other_id}."
            )


def _joined(one: IPNetwork, other: IPNetwork) -> list[IPNetwork]:
    """``[other]`` when the two share addresses, else nothing."""
    return [other] if one in other or other in one else []


def _gateway(wish: SubnetWish, cidr: IPNetwork) -> str | None:
    """The gateway: none when null was said, the first address when nothing was."""
    if "gateway_ip" in wish.model_fields_set:
        return None if wish.gateway_ip is None else gateway_of(wish.gateway_ip, cidr)
    if cidr.size <= 1:
        return None
    return str(
        IPAddress(cidr.first if cidr.prefixlen in (31, 127) else cidr.first + 1, cidr.version)
    )


def gateway_of(text: str, cidr: IPNetwork) -> str:
    """A gateway address that a host of the subnet can have.

    Raises:
        BadRequest: It is no address, or not one inside the subnet.
    """
    address = parse_address(text)
    if address not in cidr or not _is_host(address, cidr):
        raise BadRequest(
            f"Invalid input for operation: Gateway is not valid on subnet: {text} is not in {cidr}."
        )
    return str(address)


def _is_host(address: IPAddress, cidr: IPNetwork) -> bool:
    if cidr.version == 6 or cidr.prefixlen >= 31:
        return True
    return int(address) not in (cidr.first, cidr.last)


def parse_address(text: str) -> IPAddress:
    """An IP address.

    Raises:
        BadRequest: It is none.
    """
    try:
        return IPAddress(text, flags=0)
    except (AddrFormatError, ValueError, TypeError) as error:
        raise BadRequest(f"'{text[:64]}' is not a valid IP address.") from error


def _pools(wished: list[Pool], cidr: IPNetwork, gateway: str | None) -> list[dict[str, str]]:
    """The pools asked for, or everything but the gateway and what no host can have."""
    if not wished:
        first, last = cidr.first, cidr.last
        if cidr.version == 4 and cidr.prefixlen < 31:
            first, last = first + 1, last - 1
        elif cidr.version == 6 and cidr.prefixlen < 127:
            first += 1
        free = IPSet(IPRange(IPAddress(first, cidr.version), IPAddress(last, cidr.version)))
        if gateway is not None and IPAddress(gateway) in cidr:
            free.remove(IPAddress(gateway))
        return [{"start": str(found[0]), "end": str(found[-1])} for found in free.iter_ipranges()]
    seen = IPSet()
    for pool in wished:
        start, end = parse_address(pool.start), parse_address(pool.end)
        said = f"{pool.start}-{pool.end}"
        if start.version != cidr.version or end.version != cidr.version or start > end:
            raise BadRequest(
                f"The allocation pool {said} is not valid.", kind="InvalidAllocationPool"
            )
        if (
            start not in cidr
            or end not in cidr
            or not (_is_host(start, cidr) and _is_host(end, cidr))
        ):
            raise BadRequest(
                f"The allocation pool {said} spans beyond the subnet cidr {cidr}.",
                kind="OutOfBoundsAllocationPool",
            )
        part = IPSet(IPRange(start, end))
        if seen & part:
            raise Conflict(
                f"Found overlapping allocation pools for subnet {cidr}.",
                kind="OverlappingAllocationPools",
            )
        if gateway is not None and IPAddress(gateway) in part:
            raise Conflict(
                f"Gateway ip {gateway} conflicts with allocation pool {said}.",
                kind="GatewayConflictWithAllocationPools",
            )
        seen |= part
    return [{"start": pool.start, "end": pool.end} for pool in wished]


def nameservers(wished: list[str]) -> list[str]:
    """DNS servers, each once, few enough for a DHCP answer."""
    if len(wished) > MAX_DNS_NAMESERVERS:
        raise BadRequest(f"A subnet has at most {MAX_DNS_NAMESERVERS} DNS servers.")
    parsed = [str(parse_address(text)) for text in wished]
    if len(set(parsed)) != len(parsed):
        raise BadRequest("Invalid input for dns_nameservers: a DNS server is named twice.")
    return parsed


def routes_of(wished: list[HostRoute], version: int) -> list[dict[str, str]]:
    """Routes in their stored form, of the subnet's own version."""
    if len(wished) > MAX_HOST_ROUTES:
        raise BadRequest(f"A subnet has at most {MAX_HOST_ROUTES} host routes.")
    checked = []
    for route in wished:
        destination, nexthop = parse_route(route.destination), parse_address(route.nexthop)
        if destination.version != version or nexthop.version != version:
            raise BadRequest(f"The route to {route.destination} is not of IPv{version}.")
        checked.append({"destination": str(destination), "nexthop": str(nexthop)})
    return checked


def parse_route(text: str) -> IPNetwork:
    """A route's destination; unlike a subnet it may be everywhere."""
    try:
        return IPNetwork(text).cidr
    except (AddrFormatError, ValueError) as error:
        raise BadRequest(f"'{text[:64]}' is not a valid destination.") from error


def update_subnet(call: Call, subnet_id: str, body: _Change) -> dict[str, Any]:
    """Change a subnet; its range stays."""
    subnet = find(call.session, Subnet, subnet_id, visible(call.caller))
    call.enforce("update_subnet", {"project_id": subnet.project_id})
    wish, said = body.subnet, body.subnet.model_fields_set
    cidr = IPNetwork(subnet.cidr)
    for name in said & {"name", "description", "enable_dhcp"}:
        setattr(subnet, name, getattr(wish, name))
    if "gateway_ip" in said:
        _change_gateway(call.session, subnet, wish.gateway_ip, cidr)
    if "allocation_pools" in said and wish.allocation_pools:
        subnet.pools = _pools(wish.allocation_pools, cidr, subnet.gateway_ip)
    if "dns_nameservers" in said:
        subnet.dns_nameservers = nameservers(wish.dns_nameservers)
    if "host_routes" in said:
        subnet.host_routes = routes_of(wish.host_routes, subnet.ip_version)
    subnet.touch(call.now)
    converge(call.session, subnet, call.now)
    call.audit("update", "subnet", subnet.id)
    return {"subnet": wire(subnet)}


def _change_gateway(session: Session, subnet: Subnet, text: str | None, cidr: IPNetwork) -> None:
    """Another gateway, unless a router has the old one or the new one is handed out."""
    wanted = None if text is None else gateway_of(text, cidr)
    if wanted == subnet.gateway_ip:
        return
    if subnet.gateway_ip is not None and _is_taken(session, subnet.id, subnet.gateway_ip):
        raise Conflict(
            f"Current gateway ip {subnet.gateway_ip} already in use by a port. Unable to update.",
            kind="GatewayIpInUse",
        )
    if wanted is not None:
        for pool in subnet.pools:
            if IPAddress(wanted) in IPRange(pool["start"], pool["end"]):
                raise Conflict(
                    f"Gateway ip {wanted} conflicts with allocation pool "
                    f"{pool['start']}-{pool['end']}.",
                    kind="GatewayConflictWithAllocationPools",
                )
    subnet.gateway_ip = wanted


def _is_taken(session: Session, subnet_id: str, address: str) -> bool:
    statement = select(Address.port_id).where(
        Address.subnet_id == subnet_id, Address.ip_address == address
    )
    return session.execute(statement.limit(1)).first() is not None


def delete_subnet(call: Call, subnet_id: str) -> None:
    """Remove a subnet; refused while a port has an address of it."""
    subnet = find(call.session, Subnet, subnet_id, visible(call.caller))
    call.enforce("delete_subnet", {"project_id": subnet.project_id})
    taken = select(Address.port_id).where(Address.subnet_id == subnet_id).limit(1)
    if call.session.execute(taken).first() is not None:
        raise Conflict(
            f"Unable to complete operation on subnet {subnet_id}: One or more ports have an IP "
            "allocation from this subnet.",
            kind="SubnetInUse",
        )
    remove(call.session, subnet, call.now)
    call.audit("delete", "subnet", subnet.id)


def routes(table: Routes) -> None:
    """Add the routes of subnets."""
    table.add("GET", "/subnets", list_subnets, policy="get_subnet")
    table.add("POST", "/subnets", create_subnets, policy="get_subnet", status=201)
    table.add("GET", "/subnets/{subnet_id}", show_subnet, policy="get_subnet")
    table.add("PUT", "/subnets/{subnet_id}", update_subnet, policy="get_subnet")
    table.add("DELETE", "/subnets/{subnet_id}", delete_subnet, policy="get_subnet", status=204)
