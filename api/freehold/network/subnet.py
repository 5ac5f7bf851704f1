"""Subnets: address ranges of a network, with their gateway, pools, DNS servers and routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from netaddr import IPNetwork
from pydantic import Field
from sqlalchemy import ColumnElement, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Caller, Limit, Rule, hold, require_room
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Listing, Routes, SortKey
from freehold.jobs import Converged
from freehold.network.address import Address, new_mac
from freehold.network.collection import boolean, listed, number, one
from freehold.network.network import Network, lock_networks
from freehold.network.network import visible as visible_networks
from freehold.network.quota import DEFAULTS, used
from freehold.network.request import Address as AddressText
from freehold.network.request import Bulk, Id, Named, Owned, Strict
from freehold.network.standard import (
    Standard,
    converge,
    find,
    fresh,
    own_or,
    owner,
    remove,
    want_network,
)
from freehold.network.subnet_range import (
    MAX_HOST_ROUTES,
    gateway_of,
    nameservers_of,
    overlap,
    parse_cidr,
    pools_of,
    require_gateway_outside,
    routes_of,
    usual_gateway,
    usual_pools,
)
from freehold.network.tag import forget_tags, tags_of
from freehold.store import Base, lock

RULES = [
    Rule("create_subnet", "rule:admin_or_member", "POST /subnets"),
    Rule("get_subnet", "rule:logged_in", "GET /subnets"),
    Rule("update_subnet", "rule:admin_or_member", "PUT /subnets/{id}"),
    Rule("delete_subnet", "rule:admin_or_member", "DELETE /subnets/{id}"),
]
CONVERGED = frozenset({"gateway_ip", "enable_dhcp", "dns_nameservers", "host_routes"})
"""What of a subnet the machine has to know, of that which can change."""


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


class Pool(Strict):
    """A range of addresses."""

    start: AddressText
    end: AddressText


class HostRoute(Strict):
    """A route, such as DHCP tells guests."""

    destination: AddressText
    nexthop: AddressText


class SubnetChange(Named):
    """Body of PUT, and what POST has in common with it."""

    ABSENT = frozenset({"dns_publish_fixed_ip", "segment_id", "service_types"})
    gateway_ip: AddressText | None = None
    enable_dhcp: bool = True
    dns_nameservers: list[AddressText] | None = Field(default=None, max_length=100)
    host_routes: list[HostRoute] | None = Field(default=None, max_length=MAX_HOST_ROUTES)
    allocation_pools: list[Pool] | None = Field(default=None, max_length=100)


class SubnetWish(SubnetChange, Owned):
    """Body of POST. Address modes of IPv6 and subnet pools are not supported by this cloud yet."""

    network_id: Id
    cidr: AddressText
    ip_version: Literal[4, 6]
    ipv6_ra_mode: None = None
    ipv6_address_mode: None = None
    subnetpool_id: None = None
    use_default_subnetpool: Literal[False] = False
    prefixlen: None = None


class _New(Bulk):
    subnet: SubnetWish | None = None
    subnets: list[SubnetWish] | None = Field(default=None, min_length=1, max_length=100)


class _Change(Strict):
    subnet: SubnetChange


LISTING = Listing(
    id=Subnet.id,
    columns={
        name: getattr(Subnet, name)
        for name in (
            *("id", "name", "project_id", "description", "created_at", "updated_at"),
            *("network_id", "cidr", "ip_version", "gateway_ip", "enable_dhcp"),
        )
    },
    parsers={"enable_dhcp": boolean, "ip_version": number},
    default_sort=(SortKey("id"),),
)


def visible(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: own subnets and those of networks that the caller may see."""
    networks = select(Network.id).where(Network.removed.is_(False), visible_networks(caller))
    return own_or(caller, Subnet.project_id, Subnet.network_id.in_(networks))


def views(call: Call, rows: Sequence[Subnet]) -> list[dict[str, Any]]:
    """Subnets in their wire form."""
    tags = tags_of(call.session, [row.id for row in rows])
    return [_wire(row) | {"tags": tags.get(row.id, [])} for row in rows]


def _wire(subnet: Subnet) -> dict[str, Any]:
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
    }


def list_subnets(call: Call) -> dict[str, Any]:
    """Subnets that the caller may see."""
    statement = select(Subnet).where(Subnet.removed.is_(False), visible(call.caller))
    return listed(call, "subnets", LISTING, statement, views)


def show_subnet(call: Call, subnet_id: str) -> dict[str, Any]:
    """One subnet."""
    row = find(call.session, Subnet, subnet_id, visible(call.caller))
    return {"subnet": one(call, views, row)}


def create_subnets(call: Call, body: _New) -> dict[str, Any]:
    """Make one subnet, or several at once or none."""
    return body.shown(views(call, [_create(call, wish) for wish in body.wishes()]))


def _create(call: Call, wish: SubnetWish) -> Subnet:
    project_id = owner(call, wish, "create_subnet")
    hold(call.session, project_id, "network")
    lock_networks(call.session, [wish.network_id])
    network = find(call.session, Network, wish.network_id, visible_networks(call.caller))
    call.enforce("create_subnet", {"project_id": network.project_id})
    cidr = parse_cidr(wish.cidr, wish.ip_version)
    gateway = _gateway(wish, cidr)
    columns = {
        "gateway_ip": gateway,
        "pools": _pools(wish.allocation_pools, cidr, gateway),
        "dns_nameservers": nameservers_of(wish.dns_nameservers or []),
        "host_routes": _routes(wish.host_routes, wish.ip_version),
    }
    room = [Limit("subnet", used(call.session, Subnet, project_id))]
    require_room(call.session, project_id, "network", DEFAULTS, room)
    _require_no_overlap(call.session, network.id, cidr)
    subnet = Subnet(
        **fresh(call.now),
        project_id=project_id,
        name=wish.name,
        description=wish.description,
        network_id=network.id,
        ip_version=wish.ip_version,
        cidr=str(cidr),
        enable_dhcp=wish.enable_dhcp,
        dhcp_server_mac=new_mac(),
        **columns,
    )
    call.session.add(subnet)
    call.session.flush()
    call.session.expire(network, ["subnets"])
    want_network(call.session, call.now)
    call.audit("create", "subnet", subnet.id)
    return subnet


def _require_no_overlap(session: Session, network_id: str, cidr: IPNetwork) -> None:
    others = session.execute(
        select(Subnet.id, Subnet.cidr).where(
            Subnet.network_id == network_id, Subnet.removed.is_(False)
        )
    ).all()
    for other_id, other in others:
        if overlap(cidr, other):
            raise BadRequest(
                f"Invalid input for operation: Requested subnet with cidr: {cidr} for network: "
                f"{network_id} overlaps with another subnet: {other_id} ({other})."
            )


def _gateway(wish: SubnetWish, cidr: IPNetwork) -> str | None:
    """The gateway: none when null was said, the first address when nothing was."""
    if "gateway_ip" not in wish.model_fields_set:
        return usual_gateway(cidr)
    return None if wish.gateway_ip is None else gateway_of(wish.gateway_ip, cidr)


def _pools(
    wished: Sequence[Pool] | None, cidr: IPNetwork, gateway: str | None
) -> list[dict[str, str]]:
    if not wished:
        return usual_pools(cidr, gateway)
    return pools_of([(pool.start, pool.end) for pool in wished], cidr, gateway)


def _routes(wished: Sequence[HostRoute] | None, version: int) -> list[dict[str, str]]:
    return routes_of([(route.destination, route.nexthop) for route in wished or []], version)


def update_subnet(call: Call, subnet_id: str, body: _Change) -> dict[str, Any]:
    """Change a subnet; its range stays."""
    subnet = find(call.session, Subnet, subnet_id, visible(call.caller))
    call.enforce("update_subnet", {"project_id": subnet.project_id})
    changed = subnet.apply(_changes(call.session, subnet, body.subnet))
    if changed:
        subnet.touch(call.now)
    if changed & CONVERGED:
        converge(call.session, subnet, call.now)
    if "gateway_ip" in changed:
        _tell_routers(call, subnet)
    call.audit("update", "subnet", subnet.id)
    return {"subnet": views(call, [subnet])[0]}


def _changes(session: Session, subnet: Subnet, wish: SubnetChange) -> dict[str, Any]:
    """The columns that a PUT wants, checked; nothing is changed here."""
    cidr = IPNetwork(subnet.cidr)
    said = wish.said("name", "description", "enable_dhcp", "gateway_ip")
    if said.get("gateway_ip") is not None:
        said["gateway_ip"] = gateway_of(said["gateway_ip"], cidr)
    gateway = said.get("gateway_ip", subnet.gateway_ip)
    if gateway != subnet.gateway_ip and _is_taken(session, subnet.id, subnet.gateway_ip):
        raise Conflict(
            f"Current gateway ip {subnet.gateway_ip} already in use by a port. Unable to update.",
            kind="GatewayIpInUse",
        )
    if wish.allocation_pools:
        said["pools"] = _pools(wish.allocation_pools, cidr, gateway)
    elif gateway != subnet.gateway_ip:
        require_gateway_outside(gateway, subnet.pools)
    if "dns_nameservers" in wish.model_fields_set:
        said["dns_nameservers"] = nameservers_of(wish.dns_nameservers or [])
    if "host_routes" in wish.model_fields_set:
        said["host_routes"] = _routes(wish.host_routes, subnet.ip_version)
    return said


def _is_taken(session: Session, subnet_id: str, address: str | None) -> bool:
    statement = select(Address.port_id).where(
        Address.subnet_id == subnet_id, Address.ip_address == address
    )
    return session.execute(statement.limit(1)).first() is not None


def _tell_routers(call: Call, subnet: Subnet) -> None:
    """The gateway of an external subnet is the next hop of every router that goes out there."""
    from freehold.network.router import Router

    routers = select(Router).where(
        Router.external_network_id == subnet.network_id, Router.removed.is_(False)
    )
    for router in call.session.scalars(routers):
        converge(call.session, router, call.now)


def delete_subnet(call: Call, subnet_id: str) -> None:
    """Remove a subnet; refused while a port has an address of it."""
    subnet = find(call.session, Subnet, subnet_id, visible(call.caller))
    call.enforce("delete_subnet", {"project_id": subnet.project_id})
    lock(call.session, "addresses", subnet_id)
    taken = select(Address.port_id).where(Address.subnet_id == subnet_id).limit(1)
    if call.session.execute(taken).first() is not None:
        raise Conflict(
            f"Unable to complete operation on subnet {subnet_id}: One or more ports have an IP "
            "allocation from this subnet.",
            kind="SubnetInUse",
        )
    forget_tags(call.session, subnet_id)
    remove(call.session, subnet, call.now)
    call.audit("delete", "subnet", subnet.id)


def routes(table: Routes) -> None:
    """Add the routes of subnets."""
    table.add("GET", "/subnets", list_subnets, policy="get_subnet")
    table.add("POST", "/subnets", create_subnets, policy="get_subnet", status=201)
    table.add("GET", "/subnets/{subnet_id}", show_subnet, policy="get_subnet")
    table.add("PUT", "/subnets/{subnet_id}", update_subnet, policy="get_subnet")
    table.add("DELETE", "/subnets/{subnet_id}", delete_subnet, policy="get_subnet", status=204)
