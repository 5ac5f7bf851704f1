"""``PUT`` and ``DELETE /servers/{id}``, and how a change is asked of a host."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from freehold.access import Rule
from freehold.compute import instance_action
from freehold.compute.server import Server, find_server
from freehold.compute.server_locked import require_unlocked
from freehold.compute.server_request import ChangeBody, ServerChange, check_version
from freehold.compute.server_status import state
from freehold.compute.server_wire import around, wire
from freehold.errors import Conflict
from freehold.http import Call, Reply, Routes
from freehold.jobs import want

POLICY = "os_compute_api:servers"
RULES = [
    Rule(f"{POLICY}:update", "rule:admin_or_member", "Change a server"),
    Rule(f"{POLICY}:delete", "rule:admin_or_member", "Delete a server"),
]


def ask_host(call: Call, server: Server) -> None:
    """Ask the server's host for what the row now wants, within the time limit for it."""
    ask_host_within(call.session, server, call.now, call.config.build_time_limit_s)


def ask_host_within(session: Session, server: Server, now: datetime, limit_s: int) -> None:
    """The same with a time limit of its own, also where no request is at hand."""
    server.updated_at = now
    server.ask(now, limit_s)
    if server.host is not None:
        want(session, "host", server.host, now)


def ask_host_quietly(call: Call, server: Server) -> None:
    """The same for a change that has nothing to do with power (a name, metadata).

    It neither gives a failing server a new chance nor a building one more time, and asks nothing
    of a server that is going or was never placed. It has no deadline of its own: a host that is
    away for long hears of it later, and the server is none the worse.
    """
    server.updated_at = call.now
    if server.host is None or server.removed or state(server).vm_state == "error":
        return
    deadline = server.deadline
    ask_host(call, server)
    server.deadline = deadline


def require_host(server: Server) -> None:
    """Refuse (Conflict) what needs a machine when placement found none."""
    if server.host is None:
        raise Conflict(f"Instance {server.id} has no host: delete it and create it again.")


def update_server(call: Call, server_id: str, body: ChangeBody) -> dict[str, Any]:
    """Change name, description, host name, access addresses."""
    server = find_server(call, server_id, f"{POLICY}:update")
    check_version(call, body.server)
    if apply(server, body.server):
        ask_host_quietly(call, server)
        call.audit("update", "server", server.id, fields=sorted(body.server.model_fields_set))
    near = around(call.session, [server])
    return {"server": wire(call, server, near, whole=call.at_least("2.75"))}


def apply(server: Server, change: ServerChange) -> bool:
    """Write into the row what the change names; returns whether anything differs."""
    named = change.model_fields_set
    wanted: dict[str, Any] = {}
    for field in ("name", "description", "hostname", "disk_config"):
        if field in named:
            wanted[field] = getattr(change, field)
    if "accessIPv4" in named:
        wanted["access_ip_v4"] = str(change.accessIPv4)
    if "accessIPv6" in named:
        wanted["access_ip_v6"] = str(change.accessIPv6)
    differs = {key: value for key, value in wanted.items() if getattr(server, key) != value}
    for key, value in differs.items():
        setattr(server, key, value)
    return bool(differs)


def delete_server(call: Call, server_id: str) -> Reply:
    """Delete it, whatever state it is in; asking again while it goes is no mistake."""
    server = find_server(call, server_id, f"{POLICY}:delete")
    require_unlocked(call, server)
    remove(call, server)
    return Reply(None, 204)


def remove(call: Call, server: Server) -> None:
    """Want the server gone. One that never had a host goes at once.

    Otherwise the row, its ports and their addresses stay until the host says that the domain is
    gone: an address must not be given to another server while the old one can still answer on it.
    """
    if server.host is None:
        call.audit("delete", "server", server.id)
        call.session.delete(server)
        return
    if not server.removed:
        call.audit("delete", "server", server.id)
        instance_action.begin(call, server, "delete")
        server.removed = True
        ask_host(call, server)
    else:
        want(call.session, "host", server.host, call.now)


def routes(table: Routes) -> None:
    """Serve them."""
    table.add("PUT", "/servers/{server_id}", update_server, policy=f"{POLICY}:update")
    table.add(
        "DELETE", "/servers/{server_id}", delete_server, policy=f"{POLICY}:delete", status=204
    )
