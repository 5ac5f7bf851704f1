"""``POST /servers/{id}/action``: one function an action, found in one table.

States that forbid an action are refused with nova's own words, which clients and Tempest read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from freehold.access import Rule
from freehold.compute import console, instance_action, server_locked, server_security_group
from freehold.compute.server import POWER_OFF, POWER_ON, Server, find_server
from freehold.compute.server_change import ask_host, remove
from freehold.compute.server_status import state
from freehold.errors import BadRequest, Conflict, NotSupported
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


def _require(server: Server, verb: str, vm_states: set[str], *tasks: str) -> None:
    """Refuse (Conflict) unless it is in one of the states and no other task is under way."""
    now = state(server)
    for attribute, value, fits in (
        ("vm_state", now.vm_state, now.vm_state in vm_states),
        ("task_state", now.task_state, now.task_state is None or now.task_state in tasks),
    ):
        if not fits:
            raise Conflict(
                f"Cannot '{verb}' instance {server.id} while it is in {attribute} {value}"
            )


def start(call: Call, server: Server, argument: Any) -> None:
    """Boot a stopped server."""
    _require(server, "start", {"stopped"})
    server.power, server.reboot = POWER_ON, None
    _boot(call, server, "start")


def stop(call: Call, server: Server, argument: Any) -> None:
    """Ask the guest to shut down; the host turns it off when it does not."""
    _require(server, "stop", {"active", "error"})
    _require_host(server)
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
        _require(server, "reboot", {"active"})
    else:
        _require(server, "reboot", {"active", "stopped", "paused", "error"}, *REBOOTING)
    server.power, server.reboot = POWER_ON, kind
    _boot(call, server, "reboot")


def _boot(call: Call, server: Server, name: str) -> None:
    _require_host(server)
    server.boot_serial += 1
    instance_action.begin(call, server, name)
    ask_host(call, server)
    call.audit(name, "server", server.id)


def _require_host(server: Server) -> None:
    if server.host is None:
        raise Conflict(f"Instance {server.id} has no host: delete it and create it again.")


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
        _require_host(server)
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
}
NOT_YET = frozenset(
    [
        "addFixedIp",
        "addFloatingIp",
        "changePassword",
        "confirmResize",
        "createBackup",
        "createImage",
        "evacuate",
        "injectNetworkInfo",
        "migrate",
        "os-getRDPConsole",
        "os-getSerialConsole",
        "os-getSPICEConsole",
        "os-getVNCConsole",
        "os-migrateLive",
        "pause",
        "rebuild",
        "removeFixedIp",
        "removeFloatingIp",
        "rescue",
        "resetNetwork",
        "resize",
        "restore",
        "resume",
        "revertResize",
        "shelve",
        "shelveOffload",
        "suspend",
        "trigger_crash_dump",
        "unpause",
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
    table.add("POST", "/servers/{server_id}/action", act, policy=f"{SERVERS}:show")
