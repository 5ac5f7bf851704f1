"""The actions ``addFixedIp`` and ``removeFixedIp``, known up to microversion 2.43.

The address is the Networking API's; guests hear of it by DHCP or not at all, as in nova.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from freehold.access import Rule
from freehold.compute.server import Server
from freehold.compute.server_change import ask_host_quietly, require_host
from freehold.compute.server_interface import STATES
from freehold.compute.server_status import require
from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call
from freehold.http.body import fitting
from freehold.network import add_fixed_ip, remove_fixed_ip

POLICY = "os_compute_api:os-multinic"
RULES = [
    Rule(f"{POLICY}:add", "rule:admin_or_member", "Give a server an address more"),
    Rule(f"{POLICY}:remove", "rule:admin_or_member", "Take an address from a server"),
]
INSTEAD = "change the port's fixed_ips with the Networking API."


class NetworkName(BaseModel):
    """``{"addFixedIp": {"networkId": …}}``."""

    model_config = ConfigDict(extra="forbid")

    networkId: str = Field(min_length=1, max_length=255)  # noqa: N815


class AddressName(BaseModel):
    """``{"removeFixedIp": {"address": …}}``, and other actions that name one."""

    model_config = ConfigDict(extra="forbid")

    address: IPv4Address | IPv6Address


_NETWORK, _ADDRESS = TypeAdapter(NetworkName), TypeAdapter(AddressName)


def add(call: Call, server: Server, argument: Any) -> None:
    """Give its first port on a network one address more."""
    require_known(call, INSTEAD)
    network_id = fitting(_NETWORK, argument).networkId
    require(server, "add_fixed_ip", STATES)
    require_host(server)
    try:
        add_fixed_ip(call.session, call.caller, server.id, network_id, call.now)
    except Conflict as error:
        raise BadRequest(error.message, kind=error.kind) from error
    ask_host_quietly(call, server)
    call.audit("add_fixed_ip", "server", server.id, network=network_id)


def remove(call: Call, server: Server, argument: Any) -> None:
    """Take one address from it."""
    require_known(call, INSTEAD)
    address = str(fitting(_ADDRESS, argument).address)
    require(server, "remove_fixed_ip", STATES)
    require_host(server)
    try:
        remove_fixed_ip(call.session, server.id, address, call.now)
    except NotFound as error:
        # The address is not what the path names, so nova answers 400 here.
        raise BadRequest(error.message, kind=error.kind) from error
    ask_host_quietly(call, server)
    call.audit("remove_fixed_ip", "server", server.id, address=address)


def require_known(call: Call, instead: str) -> None:
    """Refuse what microversion 2.44 took away; ``instead`` tells what to do."""
    if call.at_least("2.44"):
        raise NotFound(
            f"API version {call.microversion} is not supported on this method: {instead}"
        )
