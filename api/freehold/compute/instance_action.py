"""What was done to a server, by whom, and how it ended: ``/servers/{id}/os-instance-actions``.

A row is written in the transaction that accepts an action and closed by the write-back that settles
the server. The rows go with the server; the audit trail stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import ForeignKey, Select, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Rule
from freehold.compute.server import Server, find_server
from freehold.compute.times import long_time, parse_time
from freehold.errors import BadRequest, NotFound
from freehold.http import Call, Routes
from freehold.store import Base

POLICY = "os_compute_api:os-instance-actions"
RULES = [
    Rule(f"{POLICY}:list", "rule:admin_or_reader", "List actions of a server"),
    Rule(f"{POLICY}:show", "rule:admin_or_reader", "Show an action of a server"),
    Rule(f"{POLICY}:events", "rule:admin_required", "See hosts and tracebacks of actions"),
    Rule(f"{POLICY}:events:details", "rule:admin_required", "See why an action failed"),
]
EVENTS = {
    "create": "compute__do_build_and_run_instance",
    "start": "compute_start_instance",
    "stop": "compute_stop_instance",
    "reboot": "compute_reboot_instance",
    "pause": "compute_pause_instance",
    "unpause": "compute_unpause_instance",
    "suspend": "compute_suspend_instance",
    "resume": "compute_resume_instance",
    "createImage": "compute_snapshot_instance",
    "rebuild": "compute_rebuild_instance",
    "attach_interface": "compute_attach_interface",
    "detach_interface": "compute_detach_interface",
    "delete": "compute_terminate_instance",
}
PAGE = 1000


class InstanceAction(Base):
    """One accepted action; ``finished_at`` None while it is under way."""

    __tablename__ = "instance_actions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    server_id: Mapped[str] = mapped_column(ForeignKey("servers.id", ondelete="CASCADE"), index=True)
    action: Mapped[str]
    request_id: Mapped[str] = mapped_column(index=True)
    user_id: Mapped[str | None]
    project_id: Mapped[str]
    host: Mapped[str | None]
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    problem: Mapped[str | None]


def begin(call: Call, server: Server, action: str, *, overtakes: bool = True) -> None:
    """Remember that the caller asked for ``action``; earlier ones that it overtakes are closed."""
    if overtakes:
        finish(call.session, [server.id], call.now)
    call.session.add(
        InstanceAction(
            server_id=server.id,
            action=action,
            request_id=call.request.state.request_id,
            user_id=call.caller.user_id,
            project_id=server.project_id,
            host=server.host,
            started_at=call.now,
            updated_at=call.now,
        )
    )


def finish(
    session: Session, server_ids: Sequence[str], now: datetime, problem: str | None = None
) -> None:
    """Close the open actions of these servers; ``problem`` says why they failed."""
    if not server_ids:
        return
    session.execute(
        update(InstanceAction)
        .where(InstanceAction.server_id.in_(server_ids), InstanceAction.finished_at.is_(None))
        .values(finished_at=now, updated_at=now, problem=problem)
    )


def host_id(host: str | None, project_id: str) -> str:
    """A host's name as tenants see it: the same for all servers of one project, different between
    projects, so that they can tell two hosts apart and no more."""
    return hashlib.sha224((project_id + host).encode()).hexdigest() if host else ""


def _wire(call: Call, row: InstanceAction) -> dict[str, Any]:
    wire = {
        "action": row.action,
        "instance_uuid": row.server_id,
        "request_id": row.request_id,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "start_time": long_time(row.started_at),
        "message": "Error" if row.problem else None,
    }
    if call.at_least("2.58"):
        wire["updated_at"] = long_time(row.updated_at)
    return wire


def _event(call: Call, row: InstanceAction, may_see_all: bool) -> dict[str, Any]:
    finished = row.finished_at is not None
    wire: dict[str, Any] = {
        "event": EVENTS.get(row.action, row.action),
        "start_time": long_time(row.started_at),
        "finish_time": long_time(row.finished_at),
        "result": ("Error" if row.problem else "Success") if finished else None,
    }
    if may_see_all:
        wire["traceback"] = None
    if call.at_least("2.62"):
        wire["hostId"] = host_id(row.host, row.project_id)
        if may_see_all:
            wire["host"] = row.host
    if call.at_least("2.84"):
        wire["details"] = row.problem
    return wire


def list_actions(call: Call, server_id: str) -> dict[str, Any]:
    """Actions of a server, newest first; paged and filtered by time from 2.58."""
    server = find_server(call, server_id, f"{POLICY}:list")
    statement = select(InstanceAction).where(InstanceAction.server_id == server.id)
    limit = PAGE
    if call.at_least("2.58"):
        statement = _between(call, statement)
        limit = min(_limit(call) or PAGE, PAGE)
        statement = _behind_marker(call, statement, server)
    rows = call.session.scalars(statement.order_by(InstanceAction.id.desc()).limit(limit)).all()
    wire: dict[str, Any] = {"instanceActions": [_wire(call, row) for row in rows]}
    if call.at_least("2.58") and len(rows) == limit:
        query = urlencode([*_kept(call), ("marker", rows[-1].request_id)])
        path = f"/compute/v2.1/servers/{server_id}/os-instance-actions?{query}"
        wire["links"] = [{"rel": "next", "href": call.url(path)}]
    return wire


def _kept(call: Call) -> list[tuple[str, str]]:
    return [(key, value) for key, value in call.params.items() if key != "marker"]


def _limit(call: Call) -> int | None:
    text = call.params.get("limit")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise BadRequest(f"limit {text!r} is not a whole number from 0")
    return int(text[:9])


def _between(call: Call, statement: Select[InstanceAction]) -> Select[InstanceAction]:
    if text := call.params.get("changes-since"):
        statement = statement.where(InstanceAction.updated_at >= parse_time("changes-since", text))
    if call.at_least("2.66") and (text := call.params.get("changes-before")):
        statement = statement.where(InstanceAction.updated_at <= parse_time("changes-before", text))
    return statement


def _behind_marker(
    call: Call, statement: Select[InstanceAction], server: Server
) -> Select[InstanceAction]:
    marker = call.params.get("marker")
    if not marker:
        return statement
    return statement.where(InstanceAction.id < _find(call, server, marker, BadRequest).id)


def _find(
    call: Call, server: Server, request_id: str, refusal: type[BadRequest] | type[NotFound]
) -> InstanceAction:
    row = call.session.scalar(
        select(InstanceAction).where(
            InstanceAction.server_id == server.id, InstanceAction.request_id == request_id
        )
    )
    if row is None:
        raise refusal(f"Action for request_id {request_id} on instance {server.id} not found")
    return row


def show_action(call: Call, server_id: str, request_id: str) -> dict[str, Any]:
    """One action by the id of the request that asked for it."""
    server = find_server(call, server_id, f"{POLICY}:show")
    row = _find(call, server, request_id, NotFound)
    wire = _wire(call, row)
    may_see_all = call.may(f"{POLICY}:events", server.policy_target)
    if may_see_all or call.at_least("2.51"):
        wire["events"] = [_event(call, row, may_see_all)]
    return {"instanceAction": wire}


def routes(table: Routes) -> None:
    """Serve them."""
    path = "/servers/{server_id}/os-instance-actions"
    table.add("GET", path, list_actions, policy=f"{POLICY}:list")
    table.add("GET", path + "/{request_id}", show_action, policy=f"{POLICY}:show")
