"""A server's interfaces: ``/servers/{id}/os-interface``, read only for now."""

from __future__ import annotations

from typing import Any, NoReturn

from freehold.access import Rule
from freehold.compute.server import find_server
from freehold.errors import NotFound, NotSupported
from freehold.http import Call, Routes
from freehold.network import PortView, ports_of

POLICY = "os_compute_api:os-attach-interfaces"
RULES = [
    Rule(f"{POLICY}:list", "rule:admin_or_reader", "List a server's interfaces"),
    Rule(f"{POLICY}:show", "rule:admin_or_reader", "Show a server's interface"),
    Rule(f"{POLICY}:create", "rule:admin_or_member", "Attach an interface"),
    Rule(f"{POLICY}:delete", "rule:admin_or_member", "Detach an interface"),
]


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
        shown["tag"] = None
    return shown


def list_interfaces(call: Call, server_id: str) -> dict[str, Any]:
    """All of them."""
    server = find_server(call, server_id, f"{POLICY}:list")
    ports = ports_of(call.session, [server.id]).get(server.id, ())
    return {"interfaceAttachments": [_wire(call, port) for port in ports]}


def show_interface(call: Call, server_id: str, port_id: str) -> dict[str, Any]:
    """One, by its port."""
    server = find_server(call, server_id, f"{POLICY}:show")
    for port in ports_of(call.session, [server.id]).get(server.id, ()):
        if port.id == port_id:
            return {"interfaceAttachment": _wire(call, port)}
    raise NotFound(f"Instance {server_id} does not have a port with id {port_id}")


def attach(call: Call, server_id: str) -> NoReturn:
    """Refused: a server keeps the interfaces it was made with."""
    find_server(call, server_id, f"{POLICY}:create")
    raise NotSupported(_FIXED)


def detach(call: Call, server_id: str, port_id: str) -> NoReturn:
    """Refused likewise."""
    find_server(call, server_id, f"{POLICY}:delete")
    raise NotSupported(_FIXED)


_FIXED = (
    "Interfaces cannot be attached to or detached from an existing server in this cloud yet; "
    "name networks or ports when the server is created."
)


def routes(table: Routes) -> None:
    """Serve them."""
    path = "/servers/{server_id}/os-interface"
    table.add("GET", path, list_interfaces, policy=f"{POLICY}:list")
    table.add("GET", path + "/{port_id}", show_interface, policy=f"{POLICY}:show")
    table.add("POST", path, attach, policy=f"{POLICY}:create")
    table.add("DELETE", path + "/{port_id}", detach, policy=f"{POLICY}:delete")
