"""Operations on subnets: make, change, remove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netaddr import IPNetwork
from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.access import Limit, Rule, hold, require_room
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Routes
from freehold.network.address import Address, new_mac
from freehold.network.network import Network, lock_networks
from freehold.network.network import visible as visible_networks
from freehold.network.port import HELD, Port
from freehold.network.port_address import take_guests_prefix, tell_guests_prefix
from freehold.network.quota import DEFAULTS, used
from freehold.network.router import Router
from freehold.network.standard import converge, find, fresh, owner, remove, want_network
from freehold.network.subnet import Subnet, list_subnets, show_subnet, views, visible
from freehold.network.subnet_mode import is_automatic, require_modes
from freehold.network.subnet_pool import cut, pool_for
from freehold.network.subnet_range import (
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
from freehold.network.subnet_request import (
    ChangedSubnet,
    HostRoute,
    NewSubnets,
    Pool,
    SubnetChange,
    SubnetWish,
)
from freehold.network.tag import forget_tags
from freehold.store import lock

RULES = [
    Rule("create_subnet", "rule:admin_or_member", "POST /subnets"),
    Rule("update_subnet", "rule:admin_or_member", "PUT /subnets/{id}"),
    Rule("delete_subnet", "rule:admin_or_member", "DELETE /subnets/{id}"),
]
CONVERGED = frozenset({"gateway_ip", "enable_dhcp", "dns_nameservers", "host_routes"})
"""What of a subnet the machine has to know, of that which can change."""


def create_subnets(call: Call, body: NewSubnets) -> dict[str, Any]:
    """Make one subnet, or several at once or none."""
    return body.shown(views(call, [_create(call, wish) for wish in body.wishes()]))


def _create(call: Call, wish: SubnetWish) -> Subnet:
    project_id = owner(call, wish, "create_subnet")
    hold(call.session, project_id, "network")
    lock_networks(call.session, [wish.network_id])
    network = find(call.session, Network, wish.network_id, visible_networks(call.caller))
    call.enforce("create_subnet", {"project_id": network.project_id})
    cidr, pool_id = _range(call, wish, project_id)
    require_modes(wish, wish.enable_dhcp, cidr)
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
        subnetpool_id=pool_id,
        ip_version=wish.ip_version,
        cidr=str(cidr),
        enable_dhcp=wish.enable_dhcp,
        ipv6_ra_mode=wish.ipv6_ra_mode,
        ipv6_address_mode=wish.ipv6_address_mode,
        dhcp_server_mac=new_mac(),
        **columns,
    )
    call.session.add(subnet)
    call.session.flush()
    call.session.expire(network, ["subnets"])
    want_network(call.session, call.now)
    if is_automatic(subnet):
        tell_guests_prefix(call.session, subnet, call.now)
    call.audit("create", "subnet", subnet.id)
    return subnet


def _range(call: Call, wish: SubnetWish, project_id: str) -> tuple[IPNetwork, str | None]:
    """What the subnet covers, and the pool that it is of."""
    cidr = None if wish.cidr is None else parse_cidr(wish.cidr, wish.ip_version)
    if wish.subnetpool_id is None and not wish.use_default_subnetpool:
        assert cidr is not None
        return cidr, None
    pool = pool_for(call, wish.subnetpool_id, wish.ip_version)
    return cut(call.session, pool, project_id, cidr, wish.prefixlen), pool.id


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


def update_subnet(call: Call, subnet_id: str, body: ChangedSubnet) -> dict[str, Any]:
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
    require_modes(subnet, said.get("enable_dhcp", subnet.enable_dhcp), cidr)
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
    routers = select(Router).where(
        Router.external_network_id == subnet.network_id, Router.removed.is_(False)
    )
    for router in call.session.scalars(routers):
        converge(call.session, router, call.now)


def delete_subnet(call: Call, subnet_id: str) -> None:
    """Remove a subnet; refused while a port has an address of it that its guest did not make."""
    subnet = find(call.session, Subnet, subnet_id, visible(call.caller))
    call.enforce("delete_subnet", {"project_id": subnet.project_id})
    lock_networks(call.session, [subnet.network_id])
    lock(call.session, "addresses", subnet_id)
    taken = select(Address.port_id).where(Address.subnet_id == subnet_id)
    if is_automatic(subnet):
        taken = taken.join(Port, Port.id == Address.port_id).where(Port.device_owner.in_(HELD))
    if call.session.execute(taken.limit(1)).first() is not None:
        raise Conflict(
            f"Unable to complete operation on subnet {subnet_id}: One or more ports have an IP "
            "allocation from this subnet.",
            kind="SubnetInUse",
        )
    take_guests_prefix(call.session, subnet, call.now)
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
