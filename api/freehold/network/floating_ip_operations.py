"""Operations on floating IPs: take one, let it lead to a port, give it back."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.access import Limit, Rule, hold, require_room
from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call, Listing, Routes, SortKey
from freehold.network.address import Address
from freehold.network.collection import chosen, listed
from freehold.network.floating_ip import FloatingIp
from freehold.network.network import Network
from freehold.network.network import visible as visible_networks
from freehold.network.port import FLOATING_IP, ROUTER_INTERFACE, FixedIp, Port, drop_port, make_port
from freehold.network.port import visible as visible_ports
from freehold.network.quota import DEFAULTS, used
from freehold.network.router import NOBODY, Router
from freehold.network.standard import Wish, converge, find, own_or, owner, remove

RULES = [
    Rule("create_floatingip", "rule:admin_or_member", "POST /floatingips"),
    Rule("create_floatingip:floating_ip_address", "rule:admin_required", "Choose the address"),
    Rule("get_floatingip", "rule:admin_or_reader", "GET /floatingips"),
    Rule("update_floatingip", "rule:admin_or_member", "PUT /floatingips/{id}"),
    Rule("delete_floatingip", "rule:admin_or_member", "DELETE /floatingips/{id}"),
]


class FloatingIpChange(Wish):
    """Body of PUT, and what POST has in common with it."""

    port_id: str | None = Field(default=None, max_length=64)
    fixed_ip_address: str | None = Field(default=None, max_length=45)


class FloatingIpWish(FloatingIpChange):
    """Body of POST."""

    floating_network_id: str = Field(max_length=64)
    floating_ip_address: str | None = Field(default=None, max_length=45)
    subnet_id: str | None = Field(default=None, max_length=64)
    qos_policy_id: None = None
    dns_name: str = Field(default="", max_length=0)
    dns_domain: str = Field(default="", max_length=0)


class _One(BaseModel):
    model_config = ConfigDict(extra="forbid")
    floatingip: FloatingIpWish


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid")
    floatingip: FloatingIpChange


LISTING = Listing(
    id=FloatingIp.id,
    columns={
        name: getattr(FloatingIp, name)
        for name in (
            *("id", "project_id", "description", "floating_network_id", "floating_ip_address"),
            *("port_id", "fixed_ip_address", "router_id"),
        )
    },
    default_sort=(SortKey("id"),),
)


def wire(session: Session, row: FloatingIp) -> dict[str, Any]:
    """One floating IP in its wire form."""
    shown = row.standard_wire()
    del shown["name"]
    return shown | {
        "floating_network_id": row.floating_network_id,
        "floating_ip_address": row.floating_ip_address,
        "port_id": row.port_id,
        "fixed_ip_address": row.fixed_ip_address,
        "router_id": row.router_id,
        "status": row.status,
        "port_details": _port_details(session, row.port_id),
        "port_forwardings": [],
        "qos_policy_id": None,
        "dns_name": "",
        "dns_domain": "",
    }


def _port_details(session: Session, port_id: str | None) -> dict[str, Any] | None:
    port = session.get(Port, port_id) if port_id else None
    if port is None:
        return None
    return {
        "status": port.status,
        "name": port.name,
        "admin_state_up": port.admin_state_up,
        "network_id": port.network_id,
        "device_owner": port.device_owner,
        "mac_address": port.mac_address,
        "device_id": port.device_id,
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
    return listed(
        call,
        "floatingips",
        LISTING,
        statement,
        lambda row: wire(call.session, row),
        computed={"status": lambda shown, asked: shown["status"] in asked},
    )


def show_floating_ip(call: Call, floating_ip_id: str) -> dict[str, Any]:
    """One floating IP."""
    return {"floatingip": chosen(call, wire(call.session, _mine(call, floating_ip_id)))}


def create_floating_ip(call: Call, body: _One) -> dict[str, Any]:
    """Take an address of an external network, and let it lead to a port if one is named."""
    wish = body.floatingip
    project_id = owner(call, wish, "create_floatingip")
    hold(call.session, project_id, "network")
    room = [Limit("floatingip", used(call.session, FloatingIp, project_id))]
    require_room(call.session, project_id, "network", DEFAULTS, room)
    network = find(call.session, Network, wish.floating_network_id, visible_networks(call.caller))
    if not network.external:
        raise BadRequest(
            f"Network {network.id} is not a valid external network.", kind="BadRequest"
        )
    if wish.floating_ip_address is not None:
        call.enforce("create_floatingip:floating_ip_address")
    port = _outer_port(call, network, wish)
    row = FloatingIp(
        project_id=project_id,
        description=wish.description,
        name="",
        created_at=call.now,
        updated_at=call.now,
        revision_number=0,
        floating_network_id=network.id,
        floating_port_id=port.id,
        floating_ip_address=port.addresses[0].ip_address,
        generation=0,
        satisfied=0,
        found={},
    )
    call.session.add(row)
    call.session.flush()
    port.device_id = row.id
    if wish.port_id is not None:
        associate(call, row, wish.port_id, wish.fixed_ip_address)
    converge(call.session, row, call.now)
    call.audit("create", "floatingip", row.id)
    return {"floatingip": wire(call.session, row)}


def _outer_port(call: Call, network: Network, wish: FloatingIpWish) -> Port:
    """The port that holds the address; IPv4, since that is what is translated."""
    fixed = FixedIp(subnet_id=wish.subnet_id, ip_address=wish.floating_ip_address)
    chosen_freely = wish.subnet_id is None and wish.floating_ip_address is None
    version_4 = [subnet for subnet in network.subnets if subnet.ip_version == 4]
    if not version_4:
        raise BadRequest(
            f"Network {network.id} does not contain any IPv4 subnet", kind="BadRequest"
        )
    full: Conflict | None = None
    for subnet in version_4 if chosen_freely else version_4[:1]:
        try:
            return make_port(
                call.session,
                network,
                NOBODY,
                call.now,
                fixed_ips=[FixedIp(subnet_id=subnet.id) if chosen_freely else fixed],
                device_owner=FLOATING_IP,
                device_id="",
            )
        except Conflict as error:
            full = error
    assert full is not None
    raise full


def associate(call: Call, row: FloatingIp, port_id: str, fixed_ip: str | None) -> None:
    """Let a floating IP lead to a port through the router between them."""
    port = find(call.session, Port, port_id, visible_ports(call.caller))
    inner = [a for a in port.addresses if "." in a.ip_address]
    if fixed_ip is not None:
        inner = [a for a in inner if a.ip_address == fixed_ip]
        if not inner:
            raise BadRequest(
                f"Port {port_id} does not have fixed ip {fixed_ip}.", kind="BadRequest"
            )
    if len(inner) != 1:
        said = (
            "multiple fixed IPv4 addresses: name one with fixed_ip_address"
            if inner
            else ("no fixed IPv4 address")
        )
        raise BadRequest(f"Bad floatingip request: Port {port_id} has {said}.", kind="BadRequest")
    (address,) = inner
    _require_free(call.session, row, port_id, address)
    router = _router_between(call.session, address.subnet_id, row.floating_network_id)
    if router is None:
        raise NotFound(
            f"External network {row.floating_network_id} is not reachable from subnet "
            f"{address.subnet_id}. Therefore, cannot associate Port {port_id} with a Floating IP.",
            kind="ExternalGatewayForFloatingIPNotFound",
        )
    row.port_id, row.fixed_ip_address, row.router_id = port_id, address.ip_address, router


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
        .limit(1)
    )


def update_floating_ip(call: Call, floating_ip_id: str, body: _Change) -> dict[str, Any]:
    """Let a floating IP lead elsewhere, or nowhere with a null port."""
    row = _mine(call, floating_ip_id)
    call.enforce("update_floatingip", {"project_id": row.project_id})
    wish, said = body.floatingip, body.floatingip.model_fields_set
    if "description" in said:
        row.description = wish.description
    if "port_id" in said or "fixed_ip_address" in said:
        port_id = wish.port_id if "port_id" in said else row.port_id
        row.port_id = row.fixed_ip_address = row.router_id = None
        if port_id is not None:
            associate(call, row, port_id, wish.fixed_ip_address)
        elif wish.fixed_ip_address is not None:
            raise BadRequest("fixed_ip_address cannot be specified without a port_id")
        converge(call.session, row, call.now)
    row.touch(call.now)
    call.audit("update", "floatingip", row.id)
    return {"floatingip": wire(call.session, row)}


def delete_floating_ip(call: Call, floating_ip_id: str) -> None:
    """Give a floating IP back."""
    row = _mine(call, floating_ip_id)
    call.enforce("delete_floatingip", {"project_id": row.project_id})
    port = call.session.get(Port, row.floating_port_id)
    if port is not None:
        drop_port(call.session, port, call.now)
    row.port_id = row.fixed_ip_address = row.router_id = None
    remove(call.session, row, call.now)
    call.audit("delete", "floatingip", row.id)


def routes(table: Routes) -> None:
    """Add the routes of floating IPs."""
    path = "/floatingips"
    one = path + "/{floating_ip_id}"
    table.add("GET", path, list_floating_ips, policy="get_floatingip")
    table.add("POST", path, create_floating_ip, policy="create_floatingip", status=201)
    table.add("GET", one, show_floating_ip, policy="get_floatingip")
    table.add("PUT", one, update_floating_ip, policy="update_floatingip")
    table.add("DELETE", one, delete_floating_ip, policy="delete_floatingip", status=204)
