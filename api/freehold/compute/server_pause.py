"""Pause and suspend: the guest stands still, in memory or with its memory kept on disk."""

from __future__ import annotations

from typing import Any

from freehold.access import Rule
from freehold.compute import instance_action
from freehold.compute.server import POWER_ON, POWER_PAUSED, POWER_SUSPENDED, Server
from freehold.compute.server_change import ask_host, require_host
from freehold.compute.server_status import require
from freehold.http import Call

PAUSE = "os_compute_api:os-pause-server"
SUSPEND = "os_compute_api:os-suspend-server"
RULES = [
    Rule(f"{PAUSE}:pause", "rule:admin_or_member", "Pause a server"),
    Rule(f"{PAUSE}:unpause", "rule:admin_or_member", "Let a paused server go on"),
    Rule(f"{SUSPEND}:suspend", "rule:admin_or_member", "Suspend a server"),
    Rule(f"{SUSPEND}:resume", "rule:admin_or_member", "Bring a suspended server back"),
]


def pause(call: Call, server: Server, argument: Any) -> None:
    """Stop its processors; its memory stays where it is."""
    _turn(call, server, "pause", "active", POWER_PAUSED)


def unpause(call: Call, server: Server, argument: Any) -> None:
    """Let it go on."""
    _turn(call, server, "unpause", "paused", POWER_ON)


def suspend(call: Call, server: Server, argument: Any) -> None:
    """Keep its memory on disk and turn it off."""
    _turn(call, server, "suspend", "active", POWER_SUSPENDED)


def resume(call: Call, server: Server, argument: Any) -> None:
    """Let it go on from the memory that was kept."""
    _turn(call, server, "resume", "suspended", POWER_ON)


def _turn(call: Call, server: Server, verb: str, vm_state: str, power: str) -> None:
    require(server, verb, {vm_state})
    require_host(server)
    server.power = power
    instance_action.begin(call, server, verb)
    ask_host(call, server)
    call.audit(verb, "server", server.id)
