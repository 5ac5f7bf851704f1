"""Router interfaces: a router's port in a subnet, added and removed by subnet or by port."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select

from freehold.access import Rule
from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call, Routes
from freehold.network.address import Address
from freehold.network.floating_ip import FloatingIp
from freehold.network.network import Network, lock_networks
from freehold.network.port import ROUTER_INTERFACE, Port, ports_of_routers
from freehold.network.port import visible as visible_ports
from freehold.network.port_make import drop_port, make_port
from freehold.network.port_request import FixedIp
from freehold.network.request import Id, Strict
from freehold.network.router import Router, mine
from freehold.network.router_route import require_no_route
from freehold.network.security_group import PortGroup
from freehold.network.standard import converge, find
from freehold.network.subnet import Subnet
from freehold.network.subnet import visible as visible_subnets
from freehold.network.subnet_range import overlap
from freehold.store import lock

RULES = [
    Rule("add_router_interface", "rule:admin_or_member", "PUT …/add_router_interface"),
    Rule("remove_router_interface", "rule:admin_or_member", "PUT …/remove_router_interface"),
]


class InterfaceWish(Strict):
    """Which interface: by subnet, by port, or (when removing) by both."""

    subnet_id: Id | None = None
    port_id: Id | None = None


def _router(call: Call, router_id: str, rule: str) -> Router:
    router = find(call.session, Router, router_id, mine(call.caller))
    call.enforce(rule, {"project_id": router.project_id})
    lock(call.session, "router", router_id)
    return router


def _interfaces(call: Call, router: Router) -> list[Port]:
    ports = ports_of_routers(call.session, [router.id]).get(router.id, [])
    return [port for port in ports if port.device_owner == ROUTER_INTERFACE]


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
    router = _router(call, router_id, "add_router_interface")
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
    seen = visible_subnets(call.caller)
    lock_networks(call.session, [find(call.session, Subnet, subnet_id, seen).network_id])
    subnet = find(call.session, Subnet, subnet_id, seen)
    network = call.session.get_one(Network, subnet.network_id)
    _require_use(call, network)
    if subnet.gateway_ip is None:
        raise BadRequest(
            "Bad router request: Subnet for router interface must have a gateway IP.",
            kind="BadRequest",
        )
    _require_apart(call, router, [subnet])
    return make_port(
        call.session,
        network,
        router.project_id,
        call.now,
        fixed_ips=[FixedIp(subnet_id=subnet.id, ip_address=subnet.gateway_ip)],
        security_groups=[],
        device_id=router.id,
        device_owner=ROUTER_INTERFACE,
    )


def _require_use(call: Call, network: Network) -> None:
    """Interfaces are on networks that the tenant may use; the way outside is a gateway."""
    own = call.caller.is_admin or network.project_id == call.caller.project_id
    if not own and not network.shared:
        raise BadRequest(
            f"Bad router request: network {network.id} is external; set it as the router's "
            "gateway (external_gateway_info).",
            kind="BadRequest",
        )


def _take_port(call: Call, router: Router, port_id: str) -> Port:
    """A router takes over a tenant's port; the machine learns of it through the router from now."""
    port = find(call.session, Port, port_id, visible_ports(call.caller))
    if not call.caller.is_admin and port.project_id != router.project_id:
        raise NotFound(f"Port {port_id} could not be found.", kind="PortNotFound")
    if port.device_id or port.server_id:
        raise Conflict(
            f"Unable to complete operation on port {port.id} for network {port.network_id}. Port "
            f"already has an attached device {port.device_id}.",
            kind="PortInUse",
        )
    if not port.addresses:
        raise BadRequest(
            "Bad router request: Router port must have at least one fixed IP.", kind="BadRequest"
        )
    subnets = call.session.scalars(
        select(Subnet).where(Subnet.id.in_([a.subnet_id for a in port.addresses]))
    ).all()
    _require_apart(call, router, list(subnets))
    port.device_id, port.device_owner = router.id, ROUTER_INTERFACE
    port.port_security_enabled = False
    port.allowed_address_pairs = []
    call.session.execute(delete(PortGroup).where(PortGroup.port_id == port.id))
    call.session.expire(port, ["groups"])
    # Settled, not forgotten: should it go before the router is told, its own row goes too.
    port.satisfied, port.deadline, port.fault = port.generation, None, None
    port.touch(call.now)
    call.session.flush()
    return port


def _require_apart(call: Call, router: Router, subnets: list[Subnet]) -> None:
    """A router's subnets must not overlap, and each is connected once."""
    connected = call.session.scalars(
        select(Subnet).where(
            Subnet.id.in_(
                [a.subnet_id for port in _interfaces(call, router) for a in port.addresses]
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
            if overlap(new.cidr, old.cidr):
                raise BadRequest(
                    f"Bad router request: Cidr {new.cidr} of subnet {new.id} overlaps with cidr "
                    f"{old.cidr} of subnet {old.id}.",
                    kind="BadRequest",
                )


def remove_interface(call: Call, router_id: str, body: InterfaceWish) -> dict[str, Any]:
    """Disconnect a router from a subnet, unless a floating IP needs the way."""
    router = _router(call, router_id, "remove_router_interface")
    if body.subnet_id is None and body.port_id is None:
        raise BadRequest("Bad router request: Either subnet_id or port_id must be specified.")
    port = _interface(call, router, body)
    subnets = [address.subnet_id for address in port.addresses]
    _require_unneeded(call, router, subnets)
    require_no_route(call.session, router, port)
    shown = _wire(router, port)
    drop_port(call.session, port, call.now)
    router.touch(call.now)
    converge(call.session, router, call.now)
    call.audit("remove_interface", "router", router.id, port=port.id)
    return shown


def _interface(call: Call, router: Router, body: InterfaceWish) -> Port:
    for port in _interfaces(call, router):
        subnets = [address.subnet_id for address in port.addresses]
        if body.port_id in (None, port.id) and body.subnet_id in (None, *subnets):
            return port
    if body.port_id is not None:
        raise NotFound(
            f"Router {router.id} does not have an interface with id {body.port_id}",
            kind="RouterInterfaceNotFound",
        )
    raise NotFound(
        f"Router {router.id} has no interface on subnet {body.subnet_id}",
        kind="RouterInterfaceNotFoundForSubnet",
    )


def _require_unneeded(call: Call, router: Router, subnets: list[str]) -> None:
    needed = (
        select(FloatingIp.id)
        .join(
            Address,
            (Address.port_id == FloatingIp.port_id)
            & (Address.ip_address == FloatingIp.fixed_ip_address),
        )
        .where(
            FloatingIp.router_id == router.id,
            FloatingIp.removed.is_(False),
            Address.subnet_id.in_(subnets),
        )
    )
    if call.session.execute(needed.limit(1)).first() is not None:
        raise Conflict(
            f"Router interface for subnet {subnets[0]} on router {router.id} cannot be deleted, as "
            "it is required by one or more floating IPs.",
            kind="RouterInterfaceInUseByFloatingIP",
        )


def routes(table: Routes) -> None:
    """Add the routes of router interfaces."""
    path = "/routers/{router_id}"
    add, remove = "add_router_interface", "remove_router_interface"
    table.add("PUT", f"{path}/{add}", add_interface, policy=add)
    table.add("PUT", f"{path}/{remove}", remove_interface, policy=remove)
