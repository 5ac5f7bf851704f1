"""The actions ``addFloatingIp`` and ``removeFloatingIp``, known up to microversion 2.43.

The Networking API's own operation, asked for by addresses (API reference, "Add (Associate) Floating
IP"). Terraform's provider still uses them.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from freehold.access import Rule
from freehold.compute.server import Server
from freehold.compute.server_fixed_ip import AddressName, require_known
from freehold.errors import BadRequest, Conflict
from freehold.http import Call
from freehold.http.body import fitting
from freehold.network import join_floating_ip, leave_floating_ip, ports_of

POLICY = "os_compute_api:os-floating-ips"
RULES = [
    Rule(f"{POLICY}:add", "rule:admin_or_member", "Let a floating IP lead to a server"),
    Rule(f"{POLICY}:remove", "rule:admin_or_member", "Take a floating IP from a server"),
]
INSTEAD = "let the floating IP lead to the server's port with the Networking API."


class Lead(BaseModel):
    """``{"addFloatingIp": {"address": …, "fixed_address": …}}``; by itself the first IPv4 one."""

    model_config = ConfigDict(extra="forbid")

    address: IPv4Address | IPv6Address
    fixed_address: IPv4Address | IPv6Address | None = None


_LEAD, _ADDRESS = TypeAdapter(Lead), TypeAdapter(AddressName)


def add(call: Call, server: Server, argument: Any) -> None:
    """Let a floating IP lead to the server, also one that leads elsewhere now."""
    require_known(call, INSTEAD)
    wish = fitting(_LEAD, argument)
    address, port_id, fixed_ip = str(wish.address), *_inner(call, server, wish)
    try:
        join_floating_ip(call, address, port_id, fixed_ip)
    except (BadRequest, Conflict) as error:
        raise BadRequest(
            f"Unable to associate floating IP {address} to fixed IP {fixed_ip} for instance "
            f"{server.id}. Error: {error.message}"
        ) from error
    call.audit("add_floating_ip", "server", server.id, address=address)


def _inner(call: Call, server: Server, wish: Lead) -> tuple[str, str]:
    """The port and the address that it shall lead to."""
    ports = ports_of(call.session, [server.id]).get(server.id, [])
    fixed = [(port.id, one) for port in ports for one in port.fixed_ips]
    if not fixed:
        raise BadRequest("No fixed IPs associated to instance")
    if wish.fixed_address is not None:
        fixed = [(port, one) for port, one in fixed if one.address == str(wish.fixed_address)]
        if not fixed:
            raise BadRequest("Specified fixed address not assigned to instance")
    else:
        fixed = [(port, one) for port, one in fixed if one.version == 4]
        if not fixed:
            raise BadRequest(
                f"Unable to associate floating IP {wish.address} to any fixed IPs for instance "
                f"{server.id}. Instance has no fixed IPv4 addresses to associate."
            )
    port_id, first = fixed[0]
    return port_id, first.address


def remove(call: Call, server: Server, argument: Any) -> None:
    """Let a floating IP lead to the server no longer."""
    require_known(call, INSTEAD)
    address = str(fitting(_ADDRESS, argument).address)
    leave_floating_ip(call, address, server.id)
    call.audit("remove_floating_ip", "server", server.id, address=address)
