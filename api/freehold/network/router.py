"""Routers: between a project's networks, and to the outside through a gateway."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netaddr import IPNetwork
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Caller, Limit, Rule, hold, require_room
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Listing, Routes, SortKey
from freehold.jobs import Converged
from freehold.network.collection import boolean, chosen, listed
from freehold.network.floating_ip import FloatingIp
from freehold.network.network import Network
from freehold.network.network import visible as visible_networks
from freehold.network.port import (
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    FixedIp,
    Port,
    drop_port,
    make_port,
)
from freehold.network.quota import DEFAULTS, used
from freehold.network.standard import Standard, Wish, converge, find, own_or, owner, remove
from freehold.network.subnet import parse_address, parse_route
from freehold.store import Base

MAX_ROUTES = 30
NOBODY = ""
"""Project of ports that only operators see."""
RULES = [
    Rule("create_router", "rule:admin_or_member", "POST /routers"),
    Rule("create_router:fixed_ips", "rule:admin_required", "Choose the gateway's address or SNAT"),
    Rule("get_router", "rule:admin_or_reader", "GET /routers"),
    Rule("update_router", "rule:admin_or_member", "PUT /routers/{id} and its interfaces"),
    Rule("delete_router", "rule:admin_or_member", "DELETE /routers/{id}"),
]


class Router(Standard, Converged, Base):
    """One router.

    Attributes:
        external_network_id: Where its gateway is; None without.
        extra_routes: ``[{"destination", "nexthop"}]``.
    """

    __tablename__ = "routers"

    admin_state_up: Mapped[bool] = mapped_column(default=True)
    external_network_id: Mapped[str | None] = mapped_column(index=True)
    enable_snat: Mapped[bool] = mapped_column(default=True)
    extra_routes: Mapped[list[Any]] = mapped_column(default=list)

    __table_args__ = (Index("ix_routers_unsettled", "satisfied", "generation"),)


class GatewayWish(BaseModel):
    """``external_gateway_info``."""

    model_config = ConfigDict(extra="forbid")
    network_id: str | None = Field(default=None, max_length=64)
    enable_snat: bool | None = None
    external_fixed_ips: list[FixedIp] | None = Field(default=None, max_length=10)
    qos_policy_id: None = None


class ExtraRoute(BaseModel):
    """A static route."""

    model_config = ConfigDict(extra="forbid")
    destination: str = Field(max_length=49)
    nexthop: str = Field(max_length=45)


class RouterWish(Wish):
    """Body of POST and PUT."""

    admin_state_up: bool = True
    external_gateway_info: GatewayWish | None = None
    routes: list[ExtraRoute] | None = None
    availability_zone_hints: list[str] = Field(default=[], max_length=0)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    router: RouterWish


LISTING = Listing(
    id=Router.id,
    columns={
        "id": Router.id,
        "name": Router.name,
        "project_id": Router.project_id,
        "admin_state_up": Router.admin_state_up,
        "description": Router.description,
    },
    parsers={"admin_state_up": boolean},
    default_sort=(SortKey("id"),),
)


def mine(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: the caller's routers."""
    return own_or(caller, Router.project_id)


def ports_of_router(session: Session, router_id: str, device_owner: str) -> list[Port]:
    """A router's ports of one kind."""
    return list(
        session.scalars(
            select(Port)
            .where(
                Port.device_id == router_id,
                Port.device_owner == device_owner,
                Port.removed.is_(False),
            )
            .order_by(Port.created_at, Port.id)
        )
    )


def wire(call: Call, router: Router) -> dict[str, Any]:
    """One router in its wire form."""
    gateway = None
    if router.external_network_id is not None:
        ports = ports_of_router(call.session, router.id, ROUTER_GATEWAY)
        gateway = {
            "network_id": router.external_network_id,
            "enable_snat": router.enable_snat,
            "external_fixed_ips": [
                {"subnet_id": address.subnet_id, "ip_address": address.ip_address}
                for port in ports
                for address in port.addresses
            ],
        }
    return router.standard_wire() | {
        "admin_state_up": router.admin_state_up,
        "status": "ERROR" if router.fault else "ACTIVE",
        "external_gateway_info": gateway,
        "routes": router.extra_routes,
        "availability_zone_hints": [],
        "availability_zones": [],
        "flavor_id": None,
    }


def list_routers(call: Call) -> dict[str, Any]:
    """The caller's routers."""
    statement = select(Router).where(Router.removed.is_(False), mine(call.caller))
    return listed(call, "routers", LISTING, statement, lambda row: wire(call, row))


def show_router(call: Call, router_id: str) -> dict[str, Any]:
    """One router."""
    row = find(call.session, Router, router_id, mine(call.caller))
    return {"router": chosen(call, wire(call, row))}


def create_router(call: Call, body: _Body) -> dict[str, Any]:
    """Make a router."""
    wish = body.router
    project_id = owner(call, wish, "create_router")
    hold(call.session, project_id, "network")
    room = [Limit("router", used(call.session, Router, project_id))]
    require_room(call.session, project_id, "network", DEFAULTS, room)
    router = Router(
        project_id=project_id,
        name=wish.name,
        description=wish.description,
        created_at=call.now,
        updated_at=call.now,
        revision_number=1,
        admin_state_up=wish.admin_state_up,
        enable_snat=True,
        extra_routes=[],
        generation=0,
        satisfied=0,
        found={},
    )
    call.session.add(router)
    call.session.flush()
    if wish.external_gateway_info is not None:
        set_gateway(call, router, wish.external_gateway_info)
    if wish.routes:
        router.extra_routes = _routes(wish.routes)
    converge(call.session, router, call.now)
    call.audit("create", "router", router.id)
    return {"router": wire(call, router)}


def update_router(call: Call, router_id: str, body: _Body) -> dict[str, Any]:
    """Change a router or its gateway."""
    router = find(call.session, Router, router_id, mine(call.caller))
    call.enforce("update_router", {"project_id": router.project_id})
    wish, said = body.router, body.router.model_fields_set
    for name in said & {"name", "description", "admin_state_up"}:
        setattr(router, name, getattr(wish, name))
    if "external_gateway_info" in said:
        gateway = wish.external_gateway_info
        if gateway is None or gateway.network_id is None:
            clear_gateway(call.session, router, call.now)
        else:
            set_gateway(call, router, gateway)
    if "routes" in said:
        router.extra_routes = _routes(wish.routes or [])
    router.touch(call.now)
    converge(call.session, router, call.now)
    call.audit("update", "router", router.id)
    return {"router": wire(call, router)}


def _routes(wished: list[ExtraRoute]) -> list[dict[str, str]]:
    if len(wished) > MAX_ROUTES:
        raise BadRequest(f"A router has at most {MAX_ROUTES} routes.", kind="RoutesExhausted")
    checked = []
    for route in wished:
        destination, nexthop = parse_route(route.destination), parse_address(route.nexthop)
        if destination.version != nexthop.version:
            raise BadRequest(f"Route {route.destination} has a next hop of the other IP version.")
        said = {"destination": str(destination), "nexthop": str(nexthop)}
        if said in checked:
            raise BadRequest(f"Invalid input for routes: duplicate route {route.destination}.")
        checked.append(said)
    return checked


def set_gateway(call: Call, router: Router, wish: GatewayWish) -> None:
    """Give a router its way outside."""
    if wish.network_id is None:
        raise BadRequest("external_gateway_info needs a network_id.")
    if wish.enable_snat is False or wish.external_fixed_ips:
        call.enforce("create_router:fixed_ips")
    network = find(call.session, Network, wish.network_id, visible_networks(call.caller))
    if not network.external:
        raise BadRequest(
            f"Bad router request: Network {network.id} is not an external network.",
            kind="BadRequest",
        )
    router.enable_snat = True if wish.enable_snat is None else wish.enable_snat
    if router.external_network_id == network.id and not wish.external_fixed_ips:
        return
    if router.external_network_id is not None:
        clear_gateway(call.session, router, call.now, keeps=network.id)
    make_port(
        call.session,
        network,
        NOBODY,
        call.now,
        fixed_ips=wish.external_fixed_ips,
        device_id=router.id,
        device_owner=ROUTER_GATEWAY,
    )
    router.external_network_id = network.id


def clear_gateway(
    session: Session, router: Router, now: datetime, *, keeps: str | None = None
) -> None:
    """Take a router's way outside, unless floating IPs lead through it."""
    if router.external_network_id is None:
        return
    led = select(FloatingIp.id).where(
        FloatingIp.router_id == router.id, FloatingIp.removed.is_(False)
    )
    if keeps != router.external_network_id and session.execute(led.limit(1)).first() is not None:
        raise Conflict(
            f"Gateway cannot be updated for router {router.id}, since a gateway to external "
            f"network {router.external_network_id} is required by one or more floating IPs.",
            kind="RouterExternalGatewayInUseByFloatingIp",
        )
    for port in ports_of_router(session, router.id, ROUTER_GATEWAY):
        drop_port(session, port, now)
    router.external_network_id = None


def delete_router(call: Call, router_id: str) -> None:
    """Remove a router that has no interfaces."""
    router = find(call.session, Router, router_id, mine(call.caller))
    call.enforce("delete_router", {"project_id": router.project_id})
    if ports_of_router(call.session, router.id, ROUTER_INTERFACE):
        raise Conflict(
            f"Router {router.id} still has ports.",
            kind="RouterInUse",
        )
    clear_gateway(call.session, router, call.now)
    remove(call.session, router, call.now)
    call.audit("delete", "router", router.id)


def prefixed(address: str, cidr: str) -> str:
    """An address with its subnet's prefix length."""
    return f"{address}/{IPNetwork(cidr).prefixlen}"


def routes(table: Routes) -> None:
    """Add the routes of routers."""
    table.add("GET", "/routers", list_routers, policy="get_router")
    table.add("POST", "/routers", create_router, policy="create_router", status=201)
    table.add("GET", "/routers/{router_id}", show_router, policy="get_router")
    table.add("PUT", "/routers/{router_id}", update_router, policy="update_router")
    table.add("DELETE", "/routers/{router_id}", delete_router, policy="delete_router", status=204)
