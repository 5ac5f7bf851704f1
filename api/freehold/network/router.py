"""Routers: between a project's networks, and to the outside through a gateway."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Caller, Limit, Rule, hold, require_room
from freehold.errors import Conflict
from freehold.hosts import all_hosts
from freehold.http import Call, Listing, Routes, SortKey
from freehold.jobs import Converged
from freehold.network.collection import boolean, listed, one
from freehold.network.port import (
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    Port,
    fixed_ips,
    ports_of_routers,
)
from freehold.network.port_request import FixedIp
from freehold.network.quota import DEFAULTS, used
from freehold.network.request import Id, Named, Owned, Strict
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
from freehold.network.subnet_request import HostRoute
from freehold.network.tag import forget_tags, tags_of
from freehold.store import Base, lock

MAX_ROUTES = 30
CONVERGED = frozenset({"name", "admin_state_up", "extra_routes", "enable_snat", "gateway"})
"""What of a router the machine has to know; its interfaces tell it by themselves."""
RULES = [
    Rule("create_router", "rule:admin_or_member", "POST /routers"),
    Rule("get_router", "rule:admin_or_reader", "GET /routers"),
    Rule("update_router", "rule:admin_or_member", "PUT /routers/{id}"),
    Rule("delete_router", "rule:admin_or_member", "DELETE /routers/{id}"),
]


class Router(Standard, Converged, Base):
    """One router.

    Attributes:
        external_network_id: Where its gateway is; None without.
        extra_routes: ``[{"destination", "nexthop"}]``.
        gateway_hosts: ``hosts_mark`` of the hosts that its gateway was last told of.
    """

    __tablename__ = "routers"

    admin_state_up: Mapped[bool] = mapped_column(default=True)
    external_network_id: Mapped[str | None] = mapped_column(index=True)
    enable_snat: Mapped[bool] = mapped_column(default=True)
    extra_routes: Mapped[list[Any]] = mapped_column(default=list)
    gateway_hosts: Mapped[str] = mapped_column(default="")

    __table_args__ = (Index("ix_routers_unsettled", "satisfied", "generation"),)


class GatewayWish(Strict):
    """``external_gateway_info``; an empty one means none."""

    ABSENT = frozenset({"qos_policy_id"})
    network_id: Id | None = None
    enable_snat: bool | None = None
    external_fixed_ips: list[FixedIp] | None = Field(default=None, max_length=10)


class RouterChange(Named):
    """Body of PUT."""

    ABSENT = frozenset(
        {
            *("availability_zone_hints", "distributed", "enable_default_route_bfd", "ha"),
            *("enable_default_route_ecmp", "enable_ndp_proxy", "flavor_id", "service_type_id"),
        }
    )
    admin_state_up: bool = True
    external_gateway_info: GatewayWish | None = None
    routes: list[HostRoute] | None = Field(default=None, max_length=MAX_ROUTES)


class RouterWish(RouterChange, Owned):
    """Body of POST."""


class _New(Strict):
    router: RouterWish


class _Change(Strict):
    router: RouterChange


LISTING = Listing(
    id=Router.id,
    columns={
        name: getattr(Router, name)
        for name in (
            *("id", "name", "project_id", "description", "created_at", "updated_at"),
            "admin_state_up",
        )
    },
    parsers={"admin_state_up": boolean},
    default_sort=(SortKey("id"),),
)


def gateway_hosts(session: Session) -> list[str]:
    """The hosts that packets may leave from: all that are enabled, by name."""
    return [host.name for host in all_hosts(session) if host.enabled]


def hosts_mark(session: Session) -> str:
    """A short text that is another one when those hosts are others."""
    return hashlib.sha256(" ".join(gateway_hosts(session)).encode()).hexdigest()[:16]


def mine(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: the caller's routers."""
    return own_or(caller, Router.project_id)


def views(call: Call, rows: Sequence[Router]) -> list[dict[str, Any]]:
    """Routers in their wire form."""
    ids = [row.id for row in rows]
    ports = ports_of_routers(call.session, ids)
    tags = tags_of(call.session, ids)
    return [_wire(row, ports.get(row.id, [])) | {"tags": tags.get(row.id, [])} for row in rows]


def _wire(router: Router, ports: Sequence[Port]) -> dict[str, Any]:
    gateway = None
    if router.external_network_id is not None:
        gateway = {
            "network_id": router.external_network_id,
            "enable_snat": router.enable_snat,
            "external_fixed_ips": [
                fixed
                for port in ports
                if port.device_owner == ROUTER_GATEWAY
                for fixed in fixed_ips(port)
            ],
        }
    return router.standard_wire() | {
        "admin_state_up": router.admin_state_up,
        "status": "ERROR" if router.fault else "ACTIVE",
        "external_gateway_info": gateway,
        "routes": router.extra_routes,
    }


def list_routers(call: Call) -> dict[str, Any]:
    """The caller's routers."""
    statement = select(Router).where(Router.removed.is_(False), mine(call.caller))
    return listed(call, "routers", LISTING, statement, views)


def show_router(call: Call, router_id: str) -> dict[str, Any]:
    """One router."""
    row = find(call.session, Router, router_id, mine(call.caller))
    return {"router": one(call, views, row)}


def create_router(call: Call, body: _New) -> dict[str, Any]:
    """Make a router."""
    from freehold.network.router_gateway import change_gateway
    from freehold.network.router_route import checked_routes

    wish = body.router
    project_id = owner(call, wish, "create_router")
    hold(call.session, project_id, "network")
    room = [Limit("router", used(call.session, Router, project_id))]
    require_room(call.session, project_id, "network", DEFAULTS, room)
    router = Router(
        **fresh(call.now),
        project_id=project_id,
        name=wish.name,
        description=wish.description,
        admin_state_up=wish.admin_state_up,
        enable_snat=True,
        extra_routes=[],
    )
    call.session.add(router)
    call.session.flush()
    change_gateway(call, router, wish.external_gateway_info, "create")
    router.extra_routes = checked_routes(call.session, router, wish.routes)
    want_network(call.session, call.now)
    call.audit("create", "router", router.id)
    return {"router": views(call, [router])[0]}


def update_router(call: Call, router_id: str, body: _Change) -> dict[str, Any]:
    """Change a router or its gateway."""
    from freehold.network.router_gateway import change_gateway
    from freehold.network.router_route import checked_routes

    router = find(call.session, Router, router_id, mine(call.caller))
    call.enforce("update_router", {"project_id": router.project_id})
    lock(call.session, "router", router_id)
    wish = body.router
    changed = router.apply(wish.said("name", "description", "admin_state_up"))
    if "external_gateway_info" in wish.model_fields_set:
        changed |= change_gateway(call, router, wish.external_gateway_info, "update")
    if "routes" in wish.model_fields_set:
        routes = checked_routes(call.session, router, wish.routes)
        changed |= router.apply({"extra_routes": routes})
    if changed:
        router.touch(call.now)
    if changed & CONVERGED:
        converge(call.session, router, call.now)
    call.audit("update", "router", router.id)
    return {"router": views(call, [router])[0]}


def delete_router(call: Call, router_id: str) -> None:
    """Remove a router that has no interfaces."""
    from freehold.network.router_gateway import clear_gateway

    router = find(call.session, Router, router_id, mine(call.caller))
    call.enforce("delete_router", {"project_id": router.project_id})
    lock(call.session, "router", router_id)
    ports = ports_of_routers(call.session, [router.id]).get(router.id, [])
    if any(port.device_owner == ROUTER_INTERFACE for port in ports):
        raise Conflict(f"Router {router.id} still has ports", kind="RouterInUse")
    clear_gateway(call.session, router, call.now)
    forget_tags(call.session, router.id)
    remove(call.session, router, call.now)
    call.audit("delete", "router", router.id)


def routes(table: Routes) -> None:
    """Add the routes of routers."""
    table.add("GET", "/routers", list_routers, policy="get_router")
    table.add("POST", "/routers", create_router, policy="create_router", status=201)
    table.add("GET", "/routers/{router_id}", show_router, policy="get_router")
    table.add("PUT", "/routers/{router_id}", update_router, policy="update_router")
    table.add("DELETE", "/routers/{router_id}", delete_router, policy="delete_router", status=204)
