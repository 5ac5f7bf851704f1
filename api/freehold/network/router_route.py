"""A router's static routes: their next hops are neighbours, and keep their way while they stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netaddr import IPAddress, IPNetwork
from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.errors import BadRequest, Conflict
from freehold.network.port import Port, ports_of_routers
from freehold.network.router import Router
from freehold.network.subnet import Subnet
from freehold.network.subnet_range import routes_of
from freehold.network.subnet_request import HostRoute


def checked_routes(
    session: Session, router: Router, wished: Sequence[HostRoute] | None
) -> list[dict[str, str]]:
    """The routes that were asked for, in their stored form.

    Raises:
        BadRequest: A next hop is not on a network that the router is connected to, or is the
            router itself.
    """
    routes = routes_of([(route.destination, route.nexthop) for route in wished or []])
    if not routes:
        return []
    ports = ports_of_routers(session, [router.id]).get(router.id, [])
    connected = cidrs(session, ports)
    own = {address.ip_address for port in ports for address in port.addresses}
    for route in routes:
        if not _is_in(route["nexthop"], connected):
            raise BadRequest(
                f"Invalid format for routes: the nexthop {route['nexthop']} is not connected with "
                f"router {router.id}",
                kind="InvalidRoutes",
            )
        if route["nexthop"] in own:
            raise BadRequest(
                f"Invalid format for routes: the nexthop {route['nexthop']} is used by router "
                f"{router.id}",
                kind="InvalidRoutes",
            )
    return routes


def require_no_route(session: Session, router: Router, port: Port) -> None:
    """Refuse (Conflict) to take away the port by which a route's next hop is reached."""
    networks = cidrs(session, [port])
    for route in router.extra_routes:
        if _is_in(route["nexthop"], networks):
            raise Conflict(
                f"Router interface for subnet {port.addresses[0].subnet_id} on router {router.id} "
                f"cannot be deleted, as it is required by the route to {route['destination']}.",
                kind="RouterInterfaceInUseByRoute",
            )


def cidrs(session: Session, ports: Iterable[Port]) -> list[str]:
    """The networks that ports are on."""
    ids = {address.subnet_id for port in ports for address in port.addresses}
    return list(session.scalars(select(Subnet.cidr).where(Subnet.id.in_(ids))))


def _is_in(address: str, networks: Iterable[str]) -> bool:
    return any(IPAddress(address) in IPNetwork(network) for network in networks)
