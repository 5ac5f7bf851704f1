"""Addresses of a server: ``/servers/{id}/ips``, and the part of a server's view that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from freehold.access import Rule
from freehold.compute.server import Server, find_server
from freehold.compute.server_status import state
from freehold.errors import NotFound
from freehold.http import Call, Routes
from freehold.network import PortView, ports_of

POLICY = "os_compute_api:ips"
RULES = [
    Rule(f"{POLICY}:index", "rule:admin_or_reader", "List a server's addresses"),
    Rule(f"{POLICY}:show", "rule:admin_or_reader", "List a server's addresses on one network"),
]


def addresses(ports: Sequence[PortView], *, extended: bool) -> dict[str, list[dict[str, Any]]]:
    """Fixed and floating addresses by the network's name.

    Args:
        extended: With kind and MAC address, as in a server's view.
    """
    shown: dict[str, list[dict[str, Any]]] = {}
    for port in ports:
        known = [(fixed.address, fixed.version, "fixed") for fixed in port.fixed_ips]
        known += [(address, 4, "floating") for address in port.floating_ips]
        entries = shown.setdefault(port.network_name, [])
        for address, version, kind in known:
            entry: dict[str, Any] = {"version": version, "addr": address}
            if extended:
                entry |= {"OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": port.mac_address}
            entries.append(entry)
    return shown


def _of(call: Call, server: Server) -> dict[str, list[dict[str, Any]]]:
    # Nova shows none while a server is built: they may still change.
    if state(server).vm_state == "building":
        return {}
    return addresses(ports_of(call.session, [server.id]).get(server.id, ()), extended=False)


def list_addresses(call: Call, server_id: str) -> dict[str, Any]:
    """All addresses by network."""
    return {"addresses": _of(call, find_server(call, server_id, f"{POLICY}:index"))}


def show_addresses(call: Call, server_id: str, network: str) -> dict[str, Any]:
    """The addresses on one network, by its name."""
    known = _of(call, find_server(call, server_id, f"{POLICY}:show"))
    if network not in known:
        raise NotFound("Instance is not a member of specified network")
    return {network: known[network]}


def routes(table: Routes) -> None:
    """Serve them."""
    table.add("GET", "/servers/{server_id}/ips", list_addresses, policy=f"{POLICY}:index")
    table.add("GET", "/servers/{server_id}/ips/{network}", show_addresses, policy=f"{POLICY}:show")
