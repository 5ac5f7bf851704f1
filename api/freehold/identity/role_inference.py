"""Which roles imply which: ``/v3/roles/{role_id}/implies`` and ``/v3/role_inferences``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from freehold.access import Rule
from freehold.errors import NotFound
from freehold.http import Call, Reply, Routes
from freehold.identity.collection import add_read, link, load
from freehold.identity.role import ImpliedRole, Role, imply, no_longer_imply
from freehold.identity.version import VERSION

RULES = [
    Rule(f"identity:{name}", "rule:admin_required", described)
    for name, described in (
        ("get_implied_role", "GET /v3/roles/{prior_role_id}/implies/{implied_role_id}"),
        ("list_implied_roles", "GET /v3/roles/{prior_role_id}/implies"),
        ("create_implied_role", "PUT /v3/roles/{prior_role_id}/implies/{implied_role_id}"),
        ("delete_implied_role", "DELETE /v3/roles/{prior_role_id}/implies/{implied_role_id}"),
        ("list_role_inference_rules", "GET /v3/role_inferences"),
        ("check_implied_role", "HEAD /v3/roles/{prior_role_id}/implies/{implied_role_id}"),
    )
]


def _ref(call: Call, role: Role) -> dict[str, Any]:
    return {
        "id": role.id,
        "name": role.name,
        "links": {"self": link(call, f"/roles/{role.id}")},
    }


def _implied(call: Call, prior_role_id: str) -> list[dict[str, Any]]:
    rows = call.session.scalars(
        select(Role)
        .join(ImpliedRole, ImpliedRole.implied_role_id == Role.id)
        .where(ImpliedRole.prior_role_id == prior_role_id)
        .order_by(Role.name)
    )
    return [_ref(call, role) for role in rows]


def list_inferences(call: Call) -> dict[str, Any]:
    """Every role that implies others, with them."""
    priors = call.session.scalars(
        select(Role).where(Role.id.in_(select(ImpliedRole.prior_role_id))).order_by(Role.name)
    ).all()
    known = {role.id: role for role in call.session.scalars(select(Role))}
    implied: dict[str, list[dict[str, Any]]] = {}
    for rule in call.session.scalars(select(ImpliedRole)):
        entry = _ref(call, known[rule.implied_role_id])
        implied.setdefault(rule.prior_role_id, []).append(entry)
    rules = [{"prior_role": _ref(call, one), "implies": implied[one.id]} for one in priors]
    return {"role_inferences": rules, "links": {"self": link(call, "/role_inferences")}}


def list_implied(call: Call, prior_role_id: str) -> dict[str, Any]:
    """The roles that one role implies directly."""
    prior = load(call.session, Role, "role", prior_role_id)
    return {
        "role_inference": {
            "prior_role": _ref(call, prior),
            "implies": _implied(call, prior_role_id),
        },
        "links": {"self": link(call, f"/roles/{prior_role_id}/implies")},
    }


def _shown(call: Call, prior_role_id: str, implied_role_id: str) -> dict[str, Any]:
    prior = load(call.session, Role, "role", prior_role_id)
    implied = load(call.session, Role, "role", implied_role_id)
    path = f"/roles/{prior_role_id}/implies/{implied_role_id}"
    return {
        "role_inference": {"prior_role": _ref(call, prior), "implies": _ref(call, implied)},
        "links": {"self": link(call, path)},
    }


def show_implied(call: Call, prior_role_id: str, implied_role_id: str) -> dict[str, Any]:
    """Whether one role implies another directly."""
    shown = _shown(call, prior_role_id, implied_role_id)
    if call.session.get(ImpliedRole, (prior_role_id, implied_role_id)) is None:
        raise NotFound(f"Role {prior_role_id} does not imply role {implied_role_id}.")
    return shown


def check_implied(call: Call, prior_role_id: str, implied_role_id: str) -> Reply:
    """The same without a body."""
    show_implied(call, prior_role_id, implied_role_id)
    return Reply(status=204)


def put_implied(call: Call, prior_role_id: str, implied_role_id: str) -> dict[str, Any]:
    """Let one role imply another."""
    shown = _shown(call, prior_role_id, implied_role_id)
    if imply(call.session, prior_role_id, implied_role_id):
        call.audit("imply", "role", prior_role_id, implied_role_id=implied_role_id)
    return shown


def delete_implied(call: Call, prior_role_id: str, implied_role_id: str) -> Reply:
    """Let one role no longer imply another."""
    no_longer_imply(call, prior_role_id, implied_role_id)
    call.audit("no_longer_imply", "role", prior_role_id, implied_role_id=implied_role_id)
    return Reply(status=204)


ROUTES = Routes(VERSION)
_ALL = "/roles/{prior_role_id}/implies"
_ONE = "/roles/{prior_role_id}/implies/{implied_role_id}"
add_read(ROUTES, "/role_inferences", list_inferences, policy="identity:list_role_inference_rules")
add_read(ROUTES, _ALL, list_implied, policy="identity:list_implied_roles")
ROUTES.add("GET", _ONE, show_implied, policy="identity:get_implied_role")
ROUTES.add("HEAD", _ONE, check_implied, policy="identity:check_implied_role", status=204)
ROUTES.add("PUT", _ONE, put_implied, policy="identity:create_implied_role", status=201)
ROUTES.add("DELETE", _ONE, delete_implied, policy="identity:delete_implied_role", status=204)
