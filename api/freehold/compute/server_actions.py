"""``POST /servers/{id}/action``: one function an action, found in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from freehold.access import Rule
from freehold.compute import (
    console,
    instance_action,
    server_fixed_ip,
    server_floating_ip,
    server_locked,
    server_pause,
    server_rebuild,
    server_security_group,
    server_snapshot,
)
from freehold.compute.server import POWER_OFF, POWER_ON, Server, find_server
from freehold.compute.server_change import ask_host, remove, require_host
from freehold.compute.server_status import require
from freehold.errors import BadRequest, NotSupported
from freehold.http import Call, Reply, Routes
from freehold.jobs import Fault

SERVERS = "os_compute_api:servers"
ADMIN_ACTIONS = "os_compute_api:os-admin-actions"
RULES = [
    Rule(f"{SERVERS}:start", "rule:admin_or_member", "Start a server"),
    Rule(f"{SERVERS}:stop", "rule:admin_or_member", "Stop a server"),
    Rule(f"{SERVERS}:reboot", "rule:admin_or_member", "Reboot a server"),
    Rule(f"{ADMIN_ACTIONS}:reset_state", "rule:admin_required", "Reset a server's state"),
    Rule("os_compute_api:os-deferred-delete:force", "rule:admin_or_member", "Delete a server now"),
]
REBOOTING = ("rebooting", "rebooting_hard")


@dataclass(frozen=True)
class Action:
    """One action.

    Args:
        rule: Policy that the caller must pass on this server.
        run: ``(call, server, argument)``; what it returns is the answer, None is 202.
        heeds_lock: A locked server refuses it.
    """

    rule: str
    run: Callable[[Call, Server, Any], Any]
    heeds_lock: bool = True


def start(call: Call, server: Server, argument: Any) -> None:
    """Boot a stopped server."""
    require(server, "start", {"stopped"})
    server.power, server.reboot = POWER_ON, None
    _boot(call, server, "start")


def stop(call: Call, server: Server, argument: Any) -> None:
    """Ask the guest to shut down; the host turns it off when it does not."""
    require(server, "stop", {"active", "error"})
    require_host(server)
    server.power, server.reboot = POWER_OFF, None
    instance_action.begin(call, server, "stop")
    ask_host(call, server)
    call.audit("stop", "server", server.id)


def reboot(call: Call, server: Server, argument: Any) -> None:
    """Reboot: SOFT through the guest, HARD by turning it off; HARD also mends a server in ERROR."""
    kind = argument.get("type") if isinstance(argument, dict) and len(argument) == 1 else None
    kind = kind.lower() if isinstance(kind, str) else kind
    if kind not in ("soft", "hard"):
        raise BadRequest("Invalid input for reboot: type is HARD or SOFT.")
    if kind == "soft":
        require(server, "reboot", {"active"})
    else:
        require(server, "reboot", {"active", "stopped", "paused", "suspended", "error"}, *REBOOTING)
    server.power, server.reboot = POWER_ON, kind
    _boot(call, server, "reboot")


def _boot(call: Call, server: Server, name: str) -> None:
    require_host(server)
    server.boot_serial += 1
    instance_action.begin(call, server, name)
    ask_host(call, server)
    call.audit(name, "server", server.id)


def reset_state(call: Call, server: Server, argument: Any) -> None:
    """Operators: ``error`` marks it, ``active`` has the host look again and say what is."""
    wanted = argument.get("state") if isinstance(argument, dict) else None
    if wanted == "error":
        fault = Fault(
            code="RESET_BY_OPERATOR",
            message="An operator reset the state to ERROR. A hard reboot mends it.",
            at=call.now,
            retry="when_changed",
        )
        server.fault = fault.model_dump(mode="json")
        server.satisfied, server.deadline, server.updated_at = server.generation, None, call.now
    elif wanted == "active":
        require_host(server)
        ask_host(call, server)
    else:
        raise BadRequest("Invalid input for os-resetState: state is active or error.")
    call.audit("reset_state", "server", server.id, state=wanted)


def force_delete(call: Call, server: Server, argument: Any) -> Reply:
    """Delete: there is no deferred deletion here, so both are the same."""
    remove(call, server)
    return Reply(None, 202)


ACTIONS = {
    "os-start": Action(f"{SERVERS}:start", start),
    "os-stop": Action(f"{SERVERS}:stop", stop),
    "reboot": Action(f"{SERVERS}:reboot", reboot),
    "pause": Action(f"{server_pause.PAUSE}:pause", server_pause.pause),
    "unpause": Action(f"{server_pause.PAUSE}:unpause", server_pause.unpause),
    "suspend": Action(f"{server_pause.SUSPEND}:suspend", server_pause.suspend),
    "resume": Action(f"{server_pause.SUSPEND}:resume", server_pause.resume),
    "rebuild": Action(server_rebuild.POLICY, server_rebuild.rebuild),
    "createImage": Action(server_snapshot.POLICY, server_snapshot.snapshot, heeds_lock=False),
    "lock": Action(f"{server_locked.POLICY}:lock", server_locked.lock, heeds_lock=False),
    "unlock": Action(f"{server_locked.POLICY}:unlock", server_locked.unlock, heeds_lock=False),
    "os-getConsoleOutput": Action(console.POLICY, console.output, heeds_lock=False),
    "os-resetState": Action(f"{ADMIN_ACTIONS}:reset_state", reset_state, heeds_lock=False),
    "forceDelete": Action("os_compute_api:os-deferred-delete:force", force_delete),
    "addSecurityGroup": Action(
        f"{server_security_group.POLICY}:add", server_security_group.add, heeds_lock=False
    ),
    "removeSecurityGroup": Action(
        f"{server_security_group.POLICY}:remove", server_security_group.remove, heeds_lock=False
    ),
    "addFixedIp": Action(f"{server_fixed_ip.POLICY}:add", server_fixed_ip.add),
    "removeFixedIp": Action(f"{server_fixed_ip.POLICY}:remove", server_fixed_ip.remove),
    "addFloatingIp": Action(
        f"{server_floating_ip.POLICY}:add", server_floating_ip.add, heeds_lock=False
    ),
    "removeFloatingIp": Action(
        f"{server_floating_ip.POLICY}:remove", server_floating_ip.remove, heeds_lock=False
    ),
}
NOT_YET = frozenset(
    [
        "changePassword",
        "confirmResize",
        "createBackup",
        "evacuate",
        "injectNetworkInfo",
        "migrate",
        "os-getRDPConsole",
        "os-getSerialConsole",
        "os-getSPICEConsole",
        "os-getVNCConsole",
        "os-migrateLive",
        "rescue",
        "resetNetwork",
        "resize",
        "restore",
        "revertResize",
        "shelve",
        "shelveOffload",
        "trigger_crash_dump",
        "unrescue",
        "unshelve",
    ]
)
"""Actions of the API that this cloud does not have yet."""


def act(call: Call, server_id: str, body: dict[str, Any]) -> Any:
    """Do the one action that the body names."""
    if len(body) != 1:
        raise BadRequest("Malformed request body: it names exactly one action.")
    ((name, argument),) = body.items()
    action = ACTIONS.get(name)
    if action is None:
        find_server(call, server_id, f"{SERVERS}:show")
        if name in NOT_YET:
            raise NotSupported(f"The action {name} is not supported by this cloud yet.")
        raise BadRequest(f"There is no such action: {name[:64]}")
    server = find_server(call, server_id, action.rule)
    if action.heeds_lock:
        server_locked.require_unlocked(call, server)
    outcome = action.run(call, server, argument)
    return Reply(None, 202) if outcome is None else outcome


def routes(table: Routes) -> None:
    """Serve it."""
    table.add("POST", "/servers/{server_id}/action", act, policy=f"{SERVERS}:show", also=[202])
