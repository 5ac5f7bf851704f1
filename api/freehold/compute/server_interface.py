"""A server's interfaces: ``/servers/{id}/os-interface``.

A port is plugged into or out of the server's row at once, in the request; the guest follows with
its host's next run. A guest that is off gets what is wanted when it starts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Session

from freehold.access import Rule
from freehold.compute import instance_action
from freehold.compute.server import Server, find_server
from freehold.compute.server_change import ask_host_within, require_host
from freehold.compute.server_locked import require_unlocked
from freehold.compute.server_request import Body, Tag
from freehold.compute.server_status import require, state
from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call, Routes
from freehold.network import PortView, PortWish, plug, ports_of, tenant_networks, unplug

POLICY = "os_compute_api:os-attach-interfaces"
RULES = [
    Rule(f"{POLICY}:list", "rule:admin_or_reader", "List a server's interfaces"),
    Rule(f"{POLICY}:show", "rule:admin_or_reader", "Show a server's interface"),
    Rule(f"{POLICY}:create", "rule:admin_or_member", "Attach an interface"),
    Rule(f"{POLICY}:delete", "rule:admin_or_member", "Detach an interface"),
]
STATES = {"active", "paused", "stopped"}
"""vm_states in which interfaces and addresses come and go."""
WITHIN_S = 180
"""How long a host and a guest may take over an interface. Nova gives a guest 8 times 20 s to let
one go."""
NO_ADDRESS = "IpAddressGenerationFailure"


class FixedIpWish(Body):
    """One entry of ``fixed_ips``."""

    ip_address: IPv4Address | IPv6Address


class InterfaceWish(Body):
    """What to attach: a port that is there, a new one on a network, or one on the only network."""

    net_id: UUID | None = None
    port_id: UUID | None = None
    fixed_ips: list[FixedIpWish] | None = Field(default=None, min_length=1, max_length=1)
    tag: Tag | None = None


class AttachBody(Body):
    """Body of ``POST``; an empty one attaches to the project's only network."""

    interfaceAttachment: InterfaceWish = Field(default_factory=InterfaceWish)  # noqa: N815


def _wire(call: Call, port: PortView) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "net_id": port.network_id,
        "port_id": port.id,
        "mac_addr": port.mac_address,
        "port_state": port.status,
        "fixed_ips": [
            {"subnet_id": fixed.subnet_id, "ip_address": fixed.address} for fixed in port.fixed_ips
        ],
    }
    if call.at_least("2.70"):
        shown["tag"] = port.tag
    return shown


def _ports(call: Call, server: Server) -> list[PortView]:
    return list(ports_of(call.session, [server.id]).get(server.id, ()))


def list_interfaces(call: Call, server_id: str) -> dict[str, Any]:
    """All of them."""
    server = find_server(call, server_id, f"{POLICY}:list")
    return {"interfaceAttachments": [_wire(call, port) for port in _ports(call, server)]}


def show_interface(call: Call, server_id: str, port_id: str) -> dict[str, Any]:
    """One, by its port."""
    server = find_server(call, server_id, f"{POLICY}:show")
    for port in _ports(call, server):
        if port.id == port_id:
            return {"interfaceAttachment": _wire(call, port)}
    raise NotFound(f"Instance {server_id} does not have a port with id {port_id}")


def attach(call: Call, server_id: str, body: AttachBody) -> dict[str, Any]:
    """Plug the server into one network more; the host plugs the guest in."""
    server = find_server(call, server_id, f"{POLICY}:create")
    wish = body.interfaceAttachment
    _check(call, wish)
    require_unlocked(call, server)
    require(server, "attach_interface", STATES)
    require_host(server)
    before = {port.id for port in _ports(call, server)}
    ports = _plug(call, server, _port_wish(call, server, wish))
    port = next(port for port in ports if port.id not in before)
    instance_action.begin(call, server, "attach_interface", overtakes=False)
    _ask_host(call.session, server, call.now)
    call.audit("attach_interface", "server", server.id, port=port.id)
    return {"interfaceAttachment": _wire(call, port)}


def _check(call: Call, wish: InterfaceWish) -> None:
    if wish.tag is not None and not call.at_least("2.49"):
        raise BadRequest(
            "Invalid input for field/attribute interfaceAttachment. Additional properties are not "
            f"allowed ('tag' was unexpected in microversion {call.microversion})."
        )
    if wish.net_id and wish.port_id:
        raise BadRequest("Must not input both network_id and port_id")
    if wish.fixed_ips and not wish.net_id:
        raise BadRequest("Must input network_id when request IP address")


def _port_wish(call: Call, server: Server, wish: InterfaceWish) -> PortWish:
    if wish.port_id is not None:
        return PortWish(port_id=str(wish.port_id), tag=wish.tag)
    address = str(wish.fixed_ips[0].ip_address) if wish.fixed_ips else None
    network_id = str(wish.net_id) if wish.net_id else _only_network(call, server)
    return PortWish(network_id=network_id, fixed_ip=address, tag=wish.tag)


def _only_network(call: Call, server: Server) -> str:
    networks = tenant_networks(call.session, server.project_id)
    if not networks:
        raise BadRequest(
            "No specific network was requested and none are available for project "
            f"'{server.project_id}'."
        )
    if len(networks) > 1:
        raise BadRequest("Multiple possible networks found, use a Network ID to be more specific.")
    return networks[0].id


def _plug(call: Call, server: Server, wish: PortWish) -> list[PortView]:
    try:
        return plug(
            call.session,
            call.caller,
            call.may,
            server.id,
            server.project_id,
            str(server.host),
            [wish],
            None,
            call.now,
        )
    except Conflict as error:
        if error.kind != NO_ADDRESS:
            raise
        # The Networking API's 409; nova answers 400 when an interface is attached.
        raise BadRequest(error.message, kind=error.kind) from error


def detach(call: Call, server_id: str, port_id: str) -> None:
    """Unplug one interface: a port made for the server goes, the tenant's own is free again."""
    server = find_server(call, server_id, f"{POLICY}:delete")
    require_unlocked(call, server)
    require(server, "detach_interface", STATES)
    if port_id not in {port.id for port in _ports(call, server)}:
        raise NotFound(f"Port id {port_id} could not be found.")
    unplug(call.session, server.id, call.now, port_id)
    instance_action.begin(call, server, "detach_interface", overtakes=False)
    _ask_host(call.session, server, call.now)
    call.audit("detach_interface", "server", server.id, port=port_id)


def lose(session: Session, server_id: str, now: datetime) -> None:
    """A port of the server was deleted by the Networking API: the guest loses the interface.

    Nothing is asked for a server that is going or in ERROR: what mends it unplugs it too.
    """
    server = session.get(Server, server_id, with_for_update=True)
    if server is None or server.host is None or server.removed:
        return
    if state(server).vm_state != "error":
        _ask_host(session, server, now)


def _ask_host(session: Session, server: Server, now: datetime) -> None:
    """Let the host follow, in time for an interface; a boot under way keeps its longer time."""
    given = server.deadline
    ask_host_within(session, server, now, WITHIN_S)
    server.deadline = max(given or now, now + timedelta(seconds=WITHIN_S))


def routes(table: Routes) -> None:
    """Serve them."""
    path = "/servers/{server_id}/os-interface"
    one = path + "/{port_id}"
    table.add("GET", path, list_interfaces, policy=f"{POLICY}:list")
    table.add("GET", one, show_interface, policy=f"{POLICY}:show")
    table.add("POST", path, attach, policy=f"{POLICY}:create")
    table.add("DELETE", one, detach, policy=f"{POLICY}:delete", status=202, empty=True)
