"""Operations on floating IPs: take one, let it lead to a port, give it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, lazyload

from freehold.access import Limit, Rule, hold, require_room
from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call, Listing, Routes, SortKey
from freehold.network.address import Address
from freehold.network.collection import listed, one
from freehold.network.floating_ip import FloatingIp
from freehold.network.network import Network, lock_networks
from freehold.network.network import visible as visible_networks
from freehold.network.port import FLOATING_IP, NOBODY, ROUTER_INTERFACE, Port
from freehold.network.port import visible as visible_ports
from freehold.network.port_make import drop_port, make_port
from freehold.network.port_request import FixedIp
from freehold.network.quota import DEFAULTS, used
from freehold.network.request import Address as AddressText
from freehold.network.request import Described, Id, Owned, Strict
from freehold.network.router import Router
from freehold.network.standard import converge, find, fresh, own_or, owner, remove, want_network
from freehold.network.subnet_range import parse_address
from freehold.network.tag import forget_tags, tags_of
from freehold.store import lock

_NO_PORT = "fixed_ip_address cannot be specified without a port_id"
RULES = [
    Rule("create_floatingip", "rule:admin_or_member", "POST /floatingips"),
    Rule("create_floatingip:floating_ip_address", "rule:admin_required", "Choose the address"),
    Rule("get_floatingip", "rule:admin_or_reader", "GET /floatingips"),
    Rule("update_floatingip", "rule:admin_or_member", "PUT /floatingips/{id}"),
    Rule("delete_floatingip", "rule:admin_or_member", "DELETE /floatingips/{id}"),
]


class FloatingIpChange(Described):
    """Body of PUT, and what POST has in common with it."""

    ABSENT = frozenset({"distributed", "dns_domain", "dns_name", "qos_policy_id"})

    port_id: Id | None = None
    fixed_ip_address: AddressText | None = None


class FloatingIpWish(FloatingIpChange, Owned):
    """Body of POST."""

    floating_network_id: Id
    floating_ip_address: AddressText | None = None
    subnet_id: Id | None = None


class _New(Strict):
    floatingip: FloatingIpWish


class _Change(Strict):
    floatingip: FloatingIpChange


LISTING = Listing(
    id=FloatingIp.id,
    columns={
        name: getattr(FloatingIp, name)
        for name in (
            *("id", "project_id", "description", "floating_network_id", "floating_ip_address"),
            *("port_id", "fixed_ip_address", "router_id", "created_at", "updated_at"),
        )
    },
    default_sort=(SortKey("id"),),
)


def views(call: Call, rows: Sequence[FloatingIp]) -> list[dict[str, Any]]:
    """Floating IPs in their wire form."""
    ports = _ports(call.session, [row.port_id for row in rows if row.port_id])
    tags = tags_of(call.session, [row.id for row in rows])
    return [
        _wire(row, ports.get(row.port_id or "")) | {"tags": tags.get(row.id, [])} for row in rows
    ]


def _ports(session: Session, port_ids: Sequence[str]) -> dict[str, Port]:
    if not port_ids:
        return {}
    plain = (lazyload(Port.addresses), lazyload(Port.groups))
    rows = session.scalars(select(Port).where(Port.id.in_(port_ids)).options(*plain))
    return {row.id: row for row in rows}


def _wire(row: FloatingIp, port: Port | None) -> dict[str, Any]:
    shown = row.standard_wire()
    del shown["name"]
    details = port and {
        "status": port.status,
        "name": port.name,
        "admin_state_up": port.admin_state_up,
        "network_id": port.network_id,
        "device_owner": port.device_owner,
        "mac_address": port.mac_address,
        "device_id": port.device_id,
    }
    return shown | {
        "floating_network_id": row.floating_network_id,
        "floating_ip_address": row.floating_ip_address,
        "port_id": row.port_id,
        "fixed_ip_address": row.fixed_ip_address,
        "router_id": row.router_id,
        "status": row.status,
        "port_details": details,
    }


def _mine(call: Call, floating_ip_id: str) -> FloatingIp:
    rows = own_or(call.caller, FloatingIp.project_id)
    try:
        return find(call.session, FloatingIp, floating_ip_id, rows)
    except NotFound as error:
        raise NotFound(
            f"Floating IP {floating_ip_id} could not be found", kind="FloatingIPNotFound"
        ) from error


def list_floating_ips(call: Call) -> dict[str, Any]:
    """The caller's floating IPs."""
    rows = own_or(call.caller, FloatingIp.project_id)
    statement = select(FloatingIp).where(FloatingIp.removed.is_(False), rows)
    return listed(call, "floatingips", LISTING, statement, views)


def show_floating_ip(call: Call, floating_ip_id: str) -> dict[str, Any]:
    """One floating IP."""
    return {"floatingip": one(call, views, _mine(call, floating_ip_id))}


def create_floating_ip(call: Call, body: _New) -> dict[str, Any]:
    """Take an address of an external network, and let it lead to a port if one is named."""
    wish = body.floatingip
    project_id = owner(call, wish, "create_floatingip")
    hold(call.session, project_id, "network")
    room = [Limit("floatingip", used(call.session, FloatingIp, project_id))]
    require_room(call.session, project_id, "network", DEFAULTS, room)
    lock_networks(call.session, [wish.floating_network_id])
    network = find(call.session, Network, wish.floating_network_id, visible_networks(call.caller))
    if not network.external:
        raise BadRequest(
            f"Bad floatingip request: Network {network.id} is not a valid external network.",
            kind="BadRequest",
        )
    if wish.floating_ip_address is not None:
        call.enforce("create_floatingip:floating_ip_address", {"project_id": project_id})
    columns = fresh(call.now)
    port = _outer_port(call, network, wish, columns["id"])
    row = FloatingIp(
        **columns,
        project_id=project_id,
        description=wish.description,
        name="",
        floating_network_id=network.id,
        floating_port_id=port.id,
        floating_ip_address=port.addresses[0].ip_address,
    )
    call.session.add(row)
    if wish.port_id is not None:
        associate(call, row, wish.port_id, wish.fixed_ip_address)
        want_network(call.session, call.now)
    elif wish.fixed_ip_address is not None:
        raise BadRequest(_NO_PORT)
    else:
        # It leads nowhere yet: there is nothing for a machine to do.
        row.satisfied, row.deadline = row.generation, None
    call.audit("create", "floatingip", row.id)
    return {"floatingip": views(call, [row])[0]}


def _outer_port(call: Call, network: Network, wish: FloatingIpWish, floating_ip_id: str) -> Port:
    """The port that holds the address; IPv4, since that is what is translated."""
    if not any(subnet.ip_version == 4 for subnet in network.subnets):
        raise BadRequest(
            f"Bad floatingip request: Network {network.id} does not contain any IPv4 subnet.",
            kind="BadRequest",
        )
    named = FixedIp(subnet_id=wish.subnet_id, ip_address=wish.floating_ip_address)
    return make_port(
        call.session,
        network,
        NOBODY,
        call.now,
        fixed_ips=[named] if wish.subnet_id or wish.floating_ip_address else None,
        versions=(4,),
        security_groups=[],
        device_owner=FLOATING_IP,
        device_id=floating_ip_id,
    )


def associate(call: Call, row: FloatingIp, port_id: str, fixed_ip: str | None) -> None:
    """Let a floating IP lead to a port through the router between them."""
    port = find(call.session, Port, port_id, visible_ports(call.caller))
    if port.project_id != row.project_id and not call.caller.is_admin:
        raise BadRequest(
            f"Bad floatingip request: Port {port_id} is associated with a different project than "
            f"Floating IP {row.id} and therefore cannot be bound.",
            kind="BadRequest",
        )
    address = _inner_address(port, fixed_ip)
    lock(call.session, "floating ips of", port_id)
    _require_free(call.session, row, port_id, address)
    router = _router_between(call.session, address.subnet_id, row.floating_network_id)
    if router is None:
        raise NotFound(
            f"External network {row.floating_network_id} is not reachable from subnet "
            f"{address.subnet_id}. Therefore, cannot associate Port {port_id} with a Floating IP.",
            kind="ExternalGatewayForFloatingIPNotFound",
        )
    row.port_id, row.fixed_ip_address, row.router_id = port_id, address.ip_address, router


def _inner_address(port: Port, fixed_ip: str | None) -> Address:
    """The IPv4 address of a port that was named, or its only one."""
    inner = [address for address in port.addresses if "." in address.ip_address]
    if fixed_ip is not None:
        wanted = str(parse_address(fixed_ip))
        inner = [address for address in inner if address.ip_address == wanted]
    if len(inner) == 1:
        return inner[0]
    if inner:
        said = "has multiple fixed IPv4 addresses. Must provide a specific IPv4 address"
    elif fixed_ip is not None:
        said = f"does not have fixed ip {fixed_ip}"
    else:
        said = "has no fixed IPv4 address"
    raise BadRequest(f"Bad floatingip request: Port {port.id} {said}.", kind="BadRequest")


def _require_free(session: Session, row: FloatingIp, port_id: str, address: Address) -> None:
    other = session.scalars(
        select(FloatingIp).where(
            FloatingIp.port_id == port_id,
            FloatingIp.fixed_ip_address == address.ip_address,
            FloatingIp.removed.is_(False),
            FloatingIp.id != row.id,
        )
    ).first()
    if other is not None:
        raise Conflict(
            f"Cannot associate floating IP {row.floating_ip_address} ({row.id}) with "
            f"port {port_id} "
            f"using fixed IP {address.ip_address}, as that fixed IP already has a floating IP on "
            f"external network {other.floating_network_id}.",
            kind="FloatingIPPortAlreadyAssociated",
        )


def _router_between(session: Session, subnet_id: str, external_id: str) -> str | None:
    return session.scalar(
        select(Router.id)
        .join(Port, Port.device_id == Router.id)
        .join(Address, Address.port_id == Port.id)
        .where(
            Address.subnet_id == subnet_id,
            Port.device_owner == ROUTER_INTERFACE,
            Router.external_network_id == external_id,
            Router.removed.is_(False),
        )
        .order_by(Router.created_at, Router.id)
        .limit(1)
    )


def update_floating_ip(call: Call, floating_ip_id: str, body: _Change) -> dict[str, Any]:
    """Let a floating IP lead elsewhere, or nowhere with a null port."""
    row = _mine(call, floating_ip_id)
    call.enforce("update_floatingip", {"project_id": row.project_id})
    wish, said = body.floatingip, body.floatingip.model_fields_set
    changed = row.apply(wish.said("description"))
    if "port_id" in said or "fixed_ip_address" in said:
        port_id = wish.port_id if "port_id" in said else row.port_id
        if port_id is None and wish.fixed_ip_address is not None:
            raise BadRequest(_NO_PORT)
        if lead(call, row, port_id, wish.fixed_ip_address):
            changed.add("port_id")
    if changed:
        row.touch(call.now)
    call.audit("update", "floatingip", row.id)
    return {"floatingip": views(call, [row])[0]}


def lead(call: Call, row: FloatingIp, port_id: str | None, fixed_ip: str | None) -> bool:
    """Let it lead to this port from now on, or nowhere; tells whether that is new."""
    before = (row.port_id, row.fixed_ip_address, row.router_id)
    row.port_id = row.fixed_ip_address = row.router_id = None
    if port_id is not None:
        associate(call, row, port_id, fixed_ip)
    if before == (row.port_id, row.fixed_ip_address, row.router_id):
        return False
    converge(call.session, row, call.now)
    return True


def delete_floating_ip(call: Call, floating_ip_id: str) -> None:
    """Give a floating IP back."""
    row = _mine(call, floating_ip_id)
    call.enforce("delete_floatingip", {"project_id": row.project_id})
    _give_back(call, row)


def _give_back(call: Call, row: FloatingIp) -> None:
    port = call.session.get(Port, row.floating_port_id)
    if port is not None:
        drop_port(call.session, port, call.now)
    row.port_id = row.fixed_ip_address = row.router_id = None
    forget_tags(call.session, row.id)
    remove(call.session, row, call.now)
    call.audit("delete", "floatingip", row.id)


def give_back_idle(call: Call, network_id: str) -> None:
    """An external network goes, and with it the floating IPs that lead nowhere, as in neutron."""
    idle = select(FloatingIp).where(
        FloatingIp.floating_network_id == network_id,
        FloatingIp.port_id.is_(None),
        FloatingIp.removed.is_(False),
    )
    for row in call.session.scalars(idle).all():
        _give_back(call, row)


def routes(table: Routes) -> None:
    """Add the routes of floating IPs."""
    path = "/floatingips"
    one = path + "/{floating_ip_id}"
    table.add("GET", path, list_floating_ips, policy="get_floatingip")
    table.add("POST", path, create_floating_ip, policy="create_floatingip", status=201)
    table.add("GET", one, show_floating_ip, policy="get_floatingip")
    table.add("PUT", one, update_floating_ip, policy="update_floatingip")
    table.add("DELETE", one, delete_floating_ip, policy="delete_floatingip", status=204)
