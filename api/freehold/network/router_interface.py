"""Router interfaces: a router's port in a subnet, added and removed by subnet or by port."""

from __future__ import annotations

from typing import Any

from netaddr import IPNetwork
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, select

from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call, Routes
from freehold.network.floating_ip import FloatingIp
from freehold.network.network import Network
from freehold.network.port import ROUTER_INTERFACE, FixedIp, Port, drop_port, make_port
from freehold.network.port import visible as visible_ports
from freehold.network.router import Router, mine, ports_of_router
from freehold.network.security_group import PortGroup
from freehold.network.standard import converge, find
from freehold.network.subnet import Subnet
from freehold.network.subnet import visible as visible_subnets


class InterfaceWish(BaseModel):
    """Which interface: by subnet, by port, or (when removing) by both."""

    model_config = ConfigDict(extra="forbid")
    subnet_id: str | None = Field(default=None, max_length=64)
    port_id: str | None = Field(default=None, max_length=64)


def _router(call: Call, router_id: str) -> Router:
    router = find(call.session, Router, router_id, mine(call.caller))
    call.enforce("update_router", {"project_id": router.project_id})
    return router


def _wire(router: Router, port: Port) -> dict[str, Any]:
    subnets = [address.subnet_id for address in port.addresses]
    return {
        "id": router.id,
        "project_id": router.project_id,
        "tenant_id": router.project_id,
        "port_id": port.id,
        "network_id": port.network_id,
        "subnet_id": subnets[0],
        "subnet_ids": subnets,
    }


def add_interface(call: Call, router_id: str, body: InterfaceWish) -> dict[str, Any]:
    """Connect a router to a subnet."""
    router = _router(call, router_id)
    if (body.subnet_id is None) == (body.port_id is None):
        raise BadRequest(
            "Bad router request: Either subnet_id or port_id must be specified, and not both.",
            kind="BadRequest",
        )
    if body.port_id is not None:
        port = _take_port(call, router, body.port_id)
    else:
        port = _make_port(call, router, str(body.subnet_id))
    router.touch(call.now)
    converge(call.session, router, call.now)
    call.audit("add_interface", "router", router.id, port=port.id)
    return _wire(router, port)


def _make_port(call: Call, router: Router, subnet_id: str) -> Port:
    subnet = find(call.session, Subnet, subnet_id, visible_subnets(call.caller))
    if subnet.gateway_ip is None:
        raise BadRequest(
            "Bad router request: Subnet for router interface must have a gateway IP.",
            kind="BadRequest",
        )
    _require_apart(call, router, [subnet])
    return make_port(
        call.session,
        call.session.get_one(Network, subnet.network_id),
        router.project_id,
        call.now,
        fixed_ips=[FixedIp(subnet_id=subnet.id, ip_address=subnet.gateway_ip)],
        device_id=router.id,
        device_owner=ROUTER_INTERFACE,
    )


def _take_port(call: Call, router: Router, port_id: str) -> Port:
    """A router takes over a tenant's port; a new one of its own gets the addresses and the MAC."""
    port = find(call.session, Port, port_id, visible_ports(call.caller))
    if port.device_id:
        raise Conflict(
            f"Unable to complete operation on port {port.id} for network {port.network_id}. Port "
            f"already has an attached device {port.device_id}.",
            kind="PortInUse",
        )
    if not port.addresses:
        raise BadRequest("Bad router request: Router port must have at least one fixed IP.")
    subnets = call.session.scalars(
        select(Subnet).where(Subnet.id.in_([a.subnet_id for a in port.addresses]))
    ).all()
    _require_apart(call, router, list(subnets))
    port.device_id, port.device_owner = router.id, ROUTER_INTERFACE
    port.port_security_enabled = False
    _become_held(call, port)
    return port


def _become_held(call: Call, port: Port) -> None:
    """The machine learns of the port through its router from now on."""
    call.session.execute(delete(PortGroup).where(PortGroup.port_id == port.id))
    call.session.expire(port, ["groups"])
    port.generation = port.satisfied = 0
    port.deadline = None
    call.session.flush()


def _require_apart(call: Call, router: Router, subnets: list[Subnet]) -> None:
    """A router's subnets must not overlap, and each is connected once."""
    connected = call.session.scalars(
        select(Subnet).where(
            Subnet.id.in_(
                [
                    address.subnet_id
                    for port in ports_of_router(call.session, router.id, ROUTER_INTERFACE)
                    for address in port.addresses
                ]
            )
        )
    ).all()
    for new in subnets:
        for old in connected:
            if new.id == old.id:
                raise BadRequest(
                    f"Bad router request: Router already has a port on subnet {new.id}.",
                    kind="BadRequest",
                )
            one, other = IPNetwork(new.cidr), IPNetwork(old.cidr)
            if one.version == other.version and (one in other or other in one):
                raise BadRequest(
                    f"Bad router request: Cidr {new.cidr} of subnet {new.id} overlaps with cidr "
                    f"{old.cidr} of subnet {old.id}.",
                    kind="BadRequest",
                )


def remove_interface(call: Call, router_id: str, body: InterfaceWish) -> dict[str, Any]:
    """Disconnect a router from a subnet, unless a floating IP needs the way."""
    router = _router(call, router_id)
    if body.subnet_id is None and body.port_id is None:
        raise BadRequest("Bad router request: Either subnet_id or port_id must be specified.")
    port = _interface(call, router, body)
    subnets = [address.subnet_id for address in port.addresses]
    _require_unneeded(call, router, subnets)
    shown = _wire(router, port)
    drop_port(call.session, port, call.now)
    router.touch(call.now)
    converge(call.session, router, call.now)
    call.audit("remove_interface", "router", router.id, port=port.id)
    return shown


def _interface(call: Call, router: Router, body: InterfaceWish) -> Port:
    for port in ports_of_router(call.session, router.id, ROUTER_INTERFACE):
        subnets = [address.subnet_id for address in port.addresses]
        if body.port_id in (None, port.id) and (
            body.subnet_id is None or body.subnet_id in subnets
        ):
            return port
    named = f"subnet {body.subnet_id}" if body.subnet_id else f"port {body.port_id}"
    raise NotFound(
        f"Router {router.id} has no interface on {named}.",
        kind="RouterInterfaceNotFoundForSubnet" if body.subnet_id else "RouterInterfaceNotFound",
    )


def _require_unneeded(call: Call, router: Router, subnets: list[str]) -> None:
    rows = call.session.scalars(
        select(FloatingIp).where(FloatingIp.router_id == router.id, FloatingIp.removed.is_(False))
    ).all()
    for row in rows:
        inner = call.session.get(Port, row.port_id)
        if inner and any(a.subnet_id in subnets for a in inner.addresses):
            raise Conflict(
                f"Router interface for subnet {subnets[0]} on router {router.id} cannot be "
                "deleted, as it is required by one or more floating IPs.",
                kind="RouterInterfaceInUseByFloatingIP",
            )


def routes(table: Routes) -> None:
    """Add the routes of router interfaces."""
    path = "/routers/{router_id}"
    table.add("PUT", path + "/add_router_interface", add_interface, policy="update_router")
    table.add("PUT", path + "/remove_router_interface", remove_interface, policy="update_router")
