"""Operations on ports: make, change, remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from freehold.access import Rule, hold
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Routes
from freehold.network.address import Address
from freehold.network.network import Network, lock_networks
from freehold.network.network import visible as visible_networks
from freehold.network.plug import lose_port
from freehold.network.port import (
    HELD,
    ROUTER_PORTS,
    Port,
    list_ports,
    show_port,
    views,
    visible,
)
from freehold.network.port_address import (
    Wished,
    automatic_of,
    release,
    renew_automatic,
    replace_addresses,
)
from freehold.network.port_make import free_mac, known_groups, make_port, set_groups
from freehold.network.port_request import (
    AddressPair,
    ChangedPort,
    FixedIp,
    NewPorts,
    PortChange,
    PortWish,
)
from freehold.network.router import Router
from freehold.network.standard import converge, find, owner
from freehold.network.subnet_range import parse_address, parse_network

NETWORK_OWNER = "rule:admin_required or (role:member and project_id:%(network:project_id)s)"
OWNED = {
    "mac_address": "Choose the MAC address",
    "fixed_ips:ip_address": "Choose an address",
    "port_security_enabled": "Turn filtering off or on",
    "allowed_address_pairs": "Let it send from further addresses",
    "device_owner": "Make it a part of the network, network:…",
}
"""What on a network that others use too only its owner says."""
HIDDEN = ("binding:host_id", "binding:profile")
RULES = [
    Rule("create_port", "rule:admin_or_member", "POST /ports"),
    Rule("update_port", "rule:admin_or_member", "PUT /ports/{id}"),
    Rule("delete_port", "rule:admin_or_member", "DELETE /ports/{id}"),
    *(Rule(f"create_port:{name}", NETWORK_OWNER, text) for name, text in OWNED.items()),
    *(
        Rule(f"update_port:{name}", NETWORK_OWNER, text)
        for name, text in OWNED.items()
        if name != "mac_address"
    ),
    Rule("update_port:mac_address", "rule:admin_required", "Change the MAC address"),
    *(
        Rule(f"{verb}_port:{name}", "rule:admin_required", f"Say {name}")
        for verb in ("create", "update")
        for name in HIDDEN
    ),
]
PLAIN = ("name", "description", "admin_state_up", "device_id", "device_owner")
CONVERGED = frozenset(
    {
        *("mac_address", "admin_state_up", "port_security_enabled", "host", "addresses"),
        *("allowed_address_pairs", "groups"),
    }
)
"""What of a port the machine has to know, of that which can change."""


def create_ports(call: Call, body: NewPorts) -> dict[str, Any]:
    """Make one port, or several at once or none."""
    wishes: list[PortWish] = body.wishes()
    projects = [owner(call, wish, "create_port") for wish in wishes]
    for project_id in sorted(set(projects)):
        hold(call.session, project_id, "network")
    lock_networks(call.session, [wish.network_id for wish in wishes])
    made = [_create(call, *pair) for pair in zip(wishes, projects, strict=True)]
    return body.shown(views(call, made))


def _create(call: Call, wish: PortWish, project_id: str) -> Port:
    network = find(call.session, Network, wish.network_id, visible_networks(call.caller))
    if not network.shared:
        call.enforce("create_port", {"project_id": network.project_id})
    parts = {
        "mac_address": wish.mac_address is not None,
        "fixed_ips:ip_address": any(ip.ip_address for ip in wish.fixed_ips or ()),
        "port_security_enabled": wish.port_security_enabled is not None,
        "allowed_address_pairs": bool(wish.allowed_address_pairs),
        "device_owner": wish.device_owner.startswith("network:"),
        "binding:host_id": bool(wish.host),
        "binding:profile": bool(wish.profile),
    }
    _enforce_parts(call, "create", parts, project_id, network.project_id)
    _require_free_owner(wish.device_owner)
    port = make_port(
        call.session,
        network,
        project_id,
        call.now,
        **{name: getattr(wish, name) for name in PLAIN},
        host=wish.host or None,
        mac_address=wish.mac_address,
        port_security_enabled=wish.port_security_enabled,
        fixed_ips=wish.fixed_ips,
        security_groups=wish.security_groups,
    )
    if wish.allowed_address_pairs:
        port.allowed_address_pairs = pairs_of(
            wish.allowed_address_pairs, port.mac_address, port.port_security_enabled
        )
    call.audit("create", "port", port.id)
    return port


def _enforce_parts(
    call: Call, verb: str, parts: Mapping[str, bool], project_id: str, network_project: str
) -> None:
    """Attributes that have a policy of their own, where they were asked for."""
    target = {"project_id": project_id, "network:project_id": network_project}
    for name, asked in parts.items():
        if asked:
            call.enforce(f"{verb}_port:{name}", target)


def _require_free_owner(device_owner: str) -> None:
    if device_owner in HELD:
        raise BadRequest(
            f"Invalid input for device_owner. {device_owner} is given by the operation on the "
            "router or the floating IP."
        )


def pairs_of(wished: Sequence[AddressPair], own_mac: str, secure: bool) -> list[dict[str, str]]:
    """Allowed address pairs in their stored form; without a MAC it is the port's own."""
    if wished and not secure:
        raise Conflict(
            "Port Security must be enabled in order to have allowed address pairs on a port.",
            kind="AddressPairAndPortSecurityRequired",
        )
    pairs: list[dict[str, str]] = []
    for pair in wished:
        text = pair.ip_address
        address = str(parse_network(text)) if "/" in text else str(parse_address(text))
        said = {"ip_address": address, "mac_address": pair.mac_address or own_mac}
        if said in pairs:
            raise BadRequest(
                f"Request contains duplicate address pair: mac_address {said['mac_address']} "
                f"ip_address {address}.",
                kind="DuplicateAddressPairInRequest",
            )
        pairs.append(said)
    return pairs


def update_port(call: Call, port_id: str, body: ChangedPort) -> dict[str, Any]:
    """Change a port."""
    port = find(call.session, Port, port_id, visible(call.caller))
    call.enforce("update_port", {"project_id": port.project_id})
    network = call.session.get_one(Network, port.network_id)
    wish = body.port
    said = _said(port, wish)
    known = {address.ip_address for address in port.addresses}
    parts = {
        "mac_address": "mac_address" in said,
        "fixed_ips:ip_address": any(
            ip.ip_address not in known | {None} for ip in wish.fixed_ips or ()
        ),
        "port_security_enabled": "port_security_enabled" in said,
        "allowed_address_pairs": bool(wish.allowed_address_pairs),
        "device_owner": said.get("device_owner", "").startswith("network:"),
        "binding:host_id": "host" in said,
        "binding:profile": bool(wish.profile),
    }
    _enforce_parts(call, "update", parts, port.project_id, network.project_id)
    _require_changeable(port, said)
    if "mac_address" in said:
        free_mac(call.session, port.network_id, said["mac_address"])
    changed = _change_security(call.session, port, wish) | port.apply(said)
    if "mac_address" in changed:
        renew_automatic(call.session, port, network.subnets, call.now)
    if wish.fixed_ips is not None and _change_addresses(call, port, network, wish.fixed_ips):
        changed.add("addresses")
    if changed:
        port.touch(call.now)
        _tell(call, port, changed)
    call.session.flush()
    call.audit("update", "port", port.id)
    return {"port": views(call, [port])[0]}


def _said(port: Port, wish: PortChange) -> dict[str, Any]:
    """The columns that the request wants to be other than they are."""
    said = wish.said(*PLAIN, "host", "port_security_enabled", "mac_address")
    if "host" in said:
        said["host"] = said["host"] or None
    return {
        name: value
        for name, value in said.items()
        if getattr(port, name) != value and (value is not None or name == "host")
    }


def _require_changeable(port: Port, said: Mapping[str, Any]) -> None:
    """What a port is plugged into changes by unplugging it there, not by a word here."""
    if "device_owner" in said:
        _require_free_owner(said["device_owner"])
    attached = port.server_id is not None or port.device_owner in HELD
    fixed = sorted(said.keys() & {"device_id", "device_owner", "mac_address", "host"})
    if attached and fixed:
        raise Conflict(
            f"Unable to complete operation on port {port.id} for network {port.network_id}. Port "
            f"already has an attached device {port.device_id}: {', '.join(fixed)} cannot be "
            "changed while it is attached.",
            kind="PortBound" if "mac_address" in fixed else "PortInUse",
        )
    if port.device_owner in HELD and said.get("port_security_enabled"):
        raise Conflict(
            f"Port {port.id} is a part of the network itself and cannot be filtered.",
            kind="PortInUse",
        )


def _change_security(session: Session, port: Port, wish: PortChange) -> set[str]:
    """Groups and address pairs, which go with port security only."""
    secure = port.port_security_enabled
    if wish.port_security_enabled is not None:
        secure = wish.port_security_enabled
    changed = set()
    before = sorted(group.security_group_id for group in port.groups)
    groups = before
    if "security_groups" in wish.model_fields_set:
        groups = known_groups(session, port.project_id, wish.security_groups or [])
    if groups != before or not secure:
        set_groups(session, port, groups, secure)
    if groups != before:
        changed.add("groups")
    pairs = port.allowed_address_pairs
    if "allowed_address_pairs" in wish.model_fields_set:
        pairs = pairs_of(wish.allowed_address_pairs or [], port.mac_address, secure)
    elif not secure:
        pairs_of([AddressPair.model_validate(pair) for pair in pairs], port.mac_address, secure)
    return changed | port.apply({"allowed_address_pairs": pairs})


def _change_addresses(call: Call, port: Port, network: Network, wished: Sequence[FixedIp]) -> bool:
    """Other addresses; those said again, or of a subnet said again, stay. Returns if any changed.

    What the guest makes itself stays too, but for an empty list. A floating IP that led to an
    address that goes leads nowhere then.
    """
    left = list(port.addresses)
    pairs: list[Wished] = []
    for wish in wished:
        same = next((address for address in left if _is_meant(wish, address)), None)
        pairs.append((wish, same))
        if same is not None:
            left.remove(same)
    for address in automatic_of(port, network.subnets) if wished else ():
        if address in left:
            left.remove(address)
            pairs.append((FixedIp(subnet_id=address.subnet_id), address))
    if not left and all(address is not None for _, address in pairs):
        return False
    if not wished and port.device_owner in ROUTER_PORTS:
        raise BadRequest(f"Port {port.id} is a router's and needs an address.")
    for address in left:
        release(call.session, port, address, call.now)
    replace_addresses(call.session, port, network.subnets, pairs)
    return True


def _is_meant(wish: FixedIp, address: Address) -> bool:
    if wish.subnet_id is None and wish.ip_address is None:
        return False
    same_address = wish.ip_address is None or address.ip_address == str(
        parse_address(wish.ip_address)
    )
    return same_address and wish.subnet_id in (None, address.subnet_id)


def _tell(call: Call, port: Port, changed: set[str]) -> None:
    """Let the machine follow, through the router where the port is a router's."""
    if port.device_owner in ROUTER_PORTS and "addresses" in changed:
        converge(call.session, call.session.get_one(Router, port.device_id), call.now)
    if port.device_owner not in HELD and changed & CONVERGED:
        converge(call.session, port, call.now)


def delete_port(call: Call, port_id: str) -> None:
    """Remove a port; a router's or a floating IP's own goes with that instead.

    A server's port can go, as in neutron: the server loses that interface.
    """
    port = find(call.session, Port, port_id, visible(call.caller))
    call.enforce("delete_port", {"project_id": port.project_id})
    if port.device_owner in HELD:
        raise Conflict(
            f"Port {port_id} cannot be deleted directly via the port API: has device owner "
            f"{port.device_owner}.",
            kind="ServicePortInUse",
        )
    lose_port(call.session, port, call.now)
    call.audit("delete", "port", port.id)


def routes(table: Routes) -> None:
    """Add the routes of ports."""
    table.add("GET", "/ports", list_ports, policy="get_port")
    table.add("POST", "/ports", create_ports, policy="get_port", status=201)
    table.add("GET", "/ports/{port_id}", show_port, policy="get_port")
    table.add("PUT", "/ports/{port_id}", update_port, policy="get_port")
    table.add("DELETE", "/ports/{port_id}", delete_port, policy="get_port", status=204)
