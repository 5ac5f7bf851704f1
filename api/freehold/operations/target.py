"""Targets as operators see them: what is due, leased, backing off; and asking for a look."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from freehold.access import Rule
from freehold.errors import NotFound
from freehold.http import Call, Reply, Routes
from freehold.jobs import Target, want

RULES = [
    Rule("targets:get", "rule:admin_required", "GET /v1/targets"),
    Rule("targets:look", "rule:admin_required", "POST /v1/targets/{kind}/{name}/look"),
]


def wire(target: Target) -> dict[str, Any]:
    """One target in its wire form."""
    return {
        "kind": target.kind,
        "name": target.name,
        "due": target.is_due,
        "leased": target.lease is not None,
        "priority": target.priority,
        "due_since": _time(target.due_since),
        "not_before": _time(target.not_before),
        "failures": target.failures,
        "looked_at": _time(target.looked_at),
    }


def _time(value: Any) -> str | None:
    return value.isoformat() if value is not None else None


def list_targets(call: Call) -> dict[str, Any]:
    """Every target: due ones first."""
    rows = call.session.scalars(
        select(Target).order_by((Target.wanted > Target.done).desc(), Target.kind, Target.name)
    ).all()
    return {"targets": [wire(row) for row in rows]}


def look(call: Call, kind: str, name: str) -> Reply:
    """Ask for a full look at one target: everything wanted there is compared and mended."""
    if call.session.get(Target, (kind, name)) is None:
        raise NotFound(f"There is no target {kind}/{name}.")
    want(call.session, kind, name, call.now, look=True)
    call.audit("look", "target", f"{kind}/{name}")
    return Reply({"target": wire(call.session.get_one(Target, (kind, name)))}, 202)


def routes(table: Routes) -> None:
    """Add the routes of targets."""
    table.add("GET", "/targets", list_targets, policy="targets:get")
    table.add("POST", "/targets/{kind}/{name}/look", look, policy="targets:look", status=202)
