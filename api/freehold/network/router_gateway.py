"""A router's way outside: a port on an external network, and whether it translates."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.access import Rule
from freehold.errors import BadRequest, Conflict
from freehold.http import Call
from freehold.network.floating_ip import FloatingIp
from freehold.network.network import Network, lock_networks
from freehold.network.network import visible as visible_networks
from freehold.network.port import NOBODY, ROUTER_GATEWAY, Port, ports_of_routers
from freehold.network.port_make import drop_port, make_port
from freehold.network.port_request import FixedIp
from freehold.network.router import GatewayWish, Router, hosts_mark
from freehold.network.router_route import require_no_route
from freehold.network.standard import find
from freehold.network.subnet_range import parse_address

INFO = "external_gateway_info"
RULES = [
    rule
    for verb in ("create", "update")
    for rule in (
        Rule(f"{verb}_router:{INFO}", "rule:admin_or_member", "Give it a way outside"),
        Rule(f"{verb}_router:{INFO}:enable_snat", "rule:admin_required", "Choose translation"),
        Rule(
            f"{verb}_router:{INFO}:external_fixed_ips",
            "rule:admin_required",
            "Choose the gateway's address",
        ),
    )
]


def change_gateway(call: Call, router: Router, wish: GatewayWish | None, verb: str) -> set[str]:
    """Give a router the gateway that was asked for, or none; returns what changed.

    Args:
        verb: ``create`` or ``update``, for the policy's name.
    """
    if wish is None or (wish.network_id is None and not wish.external_fixed_ips):
        return clear_gateway(call.session, router, call.now)
    if wish.network_id is None:
        raise BadRequest("Invalid input for external_gateway_info. It needs a network_id.")
    _enforce(call, router, wish, verb)
    lock_networks(call.session, [wish.network_id])
    network = find(call.session, Network, wish.network_id, visible_networks(call.caller))
    if not network.external:
        raise BadRequest(
            f"Bad router request: Network {network.id} is not an external network.",
            kind="BadRequest",
        )
    changed = router.apply({"enable_snat": wish.enable_snat is not False})
    old = _gateway(call.session, router)
    if old is not None and old.network_id == network.id and _is_met(old, wish):
        return changed
    if old is not None and old.network_id != network.id:
        clear_gateway(call.session, router, call.now)
    elif old is not None:
        drop_port(call.session, old, call.now)
    _make(call, router, network, wish.external_fixed_ips)
    return changed | {"gateway"}


def _enforce(call: Call, router: Router, wish: GatewayWish, verb: str) -> None:
    target = {"project_id": router.project_id}
    call.enforce(f"{verb}_router:{INFO}", target)
    # Saying again what is so already is no choice; clients do it.
    if wish.enable_snat is not None and wish.enable_snat != router.enable_snat:
        call.enforce(f"{verb}_router:{INFO}:enable_snat", target)
    old = _gateway(call.session, router)
    if wish.external_fixed_ips and (old is None or not _is_met(old, wish)):
        call.enforce(f"{verb}_router:{INFO}:external_fixed_ips", target)


def _gateway(session: Session, router: Router) -> Port | None:
    ports = ports_of_routers(session, [router.id]).get(router.id, [])
    return next((port for port in ports if port.device_owner == ROUTER_GATEWAY), None)


def _is_met(port: Port, wish: GatewayWish) -> bool:
    """Whether the gateway has the addresses that were asked for; any, if none were."""
    if not wish.external_fixed_ips:
        return True
    if len(wish.external_fixed_ips) != len(port.addresses):
        return False
    return all(
        fixed.subnet_id in (None, address.subnet_id)
        and (fixed.ip_address is None or str(parse_address(fixed.ip_address)) == address.ip_address)
        for fixed, address in zip(wish.external_fixed_ips, port.addresses, strict=True)
    )


def _make(call: Call, router: Router, network: Network, fixed_ips: list[FixedIp] | None) -> None:
    if not network.subnets:
        raise BadRequest(
            f"Bad router request: the external network {network.id} has no subnet to take an "
            "address from.",
            kind="BadRequest",
        )
    make_port(
        call.session,
        network,
        NOBODY,
        call.now,
        fixed_ips=fixed_ips or None,
        security_groups=[],
        device_id=router.id,
        device_owner=ROUTER_GATEWAY,
    )
    router.external_network_id = network.id
    router.gateway_hosts = hosts_mark(call.session)


def clear_gateway(session: Session, router: Router, now: datetime) -> set[str]:
    """Take a router's way outside, unless floating IPs lead through it; returns what changed."""
    if router.external_network_id is None:
        return set()
    led = select(FloatingIp.id).where(
        FloatingIp.router_id == router.id, FloatingIp.removed.is_(False)
    )
    if session.execute(led.limit(1)).first() is not None:
        raise Conflict(
            f"Gateway cannot be updated for router {router.id}, since a gateway to external "
            f"network {router.external_network_id} is required by one or more floating IPs.",
            kind="RouterExternalGatewayInUseByFloatingIp",
        )
    if (port := _gateway(session, router)) is not None:
        require_no_route(session, router, port)
        drop_port(session, port, now)
    router.external_network_id = None
    router.enable_snat = True
    return {"gateway"}
