"""Quotas of the Networking API: limits by project, use as row sums."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from freehold.access import QuotaLimit, Rule, forget_limits, hold, limits_of, set_limits
from freehold.access.quota import UNLIMITED
from freehold.errors import NotFound, QuotaExceeded
from freehold.http import Call, Routes, Whole
from freehold.identity import project_exists

DEFAULTS = {
    "network": 100,
    "subnet": 100,
    "subnetpool": -1,
    "port": 500,
    "router": 10,
    "floatingip": 50,
    "security_group": 10,
    "security_group_rule": 100,
}
SERVICE = "network"
RULES = [
    Rule("get_quota", "rule:admin_or_reader", "GET /quotas/{project_id}"),
    Rule("update_quota", "rule:admin_required", "PUT /quotas/{project_id}"),
    Rule("delete_quota", "rule:admin_required", "DELETE /quotas/{project_id}"),
]


def used(session: Session, kind: Any, project_id: str) -> int:
    """How many rows of a kind a project has; rows being removed no longer count."""
    statement = select(func.count()).select_from(kind).where(kind.project_id == project_id)
    if hasattr(kind, "removed"):
        statement = statement.where(kind.removed.is_(False))
    return session.scalar(statement) or 0


class QuotaWish(BaseModel):
    """Limits to set; -1 is without limit.

    A limit below what is used is accepted (it stops growth), unless ``check_limit`` says no.
    """

    model_config = ConfigDict(extra="forbid")

    network: Whole | None = Field(default=None, ge=-1, le=2**31 - 1)
    subnet: Whole | None = Field(default=None, ge=-1, le=2**31 - 1)
    subnetpool: Whole | None = Field(default=None, ge=-1, le=2**31 - 1)
    port: Whole | None = Field(default=None, ge=-1, le=2**31 - 1)
    router: Whole | None = Field(default=None, ge=-1, le=2**31 - 1)
    floatingip: Whole | None = Field(default=None, ge=-1, le=2**31 - 1)
    security_group: Whole | None = Field(default=None, ge=-1, le=2**31 - 1)
    security_group_rule: Whole | None = Field(default=None, ge=-1, le=2**31 - 1)
    force: bool = False
    check_limit: bool = False


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    quota: QuotaWish


def _limits(call: Call, project_id: str) -> dict[str, Any]:
    return {"quota": limits_of(call.session, project_id, SERVICE, DEFAULTS)}


def list_quotas(call: Call) -> dict[str, Any]:
    """Projects whose limits differ from the defaults."""
    call.enforce("update_quota")
    projects = call.session.scalars(
        select(QuotaLimit.project_id).where(QuotaLimit.service == SERVICE).distinct()
    ).all()
    return {
        "quotas": [
            limits_of(call.session, project, SERVICE, DEFAULTS)
            | {"project_id": project, "tenant_id": project}
            for project in projects
        ]
    }


def show_own_project(call: Call) -> dict[str, Any]:
    """The project behind the token, as clients ask before they ask for its quota."""
    return {"tenant": {"tenant_id": call.caller.project_id}}


def show_quota(call: Call, project_id: str) -> dict[str, Any]:
    """A project's limits."""
    call.enforce("get_quota", {"project_id": project_id})
    return _limits(call, project_id)


def show_defaults(call: Call, project_id: str) -> dict[str, Any]:
    """The limits of a project for which none were set."""
    call.enforce("get_quota", {"project_id": project_id})
    return {"quota": dict(DEFAULTS)}


def show_details(call: Call, project_id: str) -> dict[str, Any]:
    """Limits and use side by side."""
    from freehold.network.quota_use import KINDS

    call.enforce("get_quota", {"project_id": project_id})
    limits = limits_of(call.session, project_id, SERVICE, DEFAULTS)
    return {
        "quota": {
            name: {
                "limit": limit,
                "used": used(call.session, KINDS[name], project_id),
                "reserved": 0,
            }
            for name, limit in limits.items()
        }
    }


def update_quota(call: Call, project_id: str, body: _Body) -> dict[str, Any]:
    """Set limits of a project that there is; those of one deleted since can still be forgotten."""
    if not project_exists(call.session, project_id):
        raise NotFound(f"Project {project_id} could not be found.", kind="ProjectNotFound")
    hold(call.session, project_id, SERVICE)
    wished = body.quota.model_dump(exclude_none=True, exclude={"force", "check_limit"})
    if body.quota.check_limit:
        _require_above_use(call, project_id, wished)
    set_limits(call.session, project_id, SERVICE, wished)
    call.audit("update", "quota", project_id)
    return _limits(call, project_id)


def _require_above_use(call: Call, project_id: str, wished: dict[str, int]) -> None:
    from freehold.network.quota_use import KINDS

    for resource, maximum in wished.items():
        there = used(call.session, KINDS[resource], project_id)
        if UNLIMITED != maximum < there:
            raise QuotaExceeded(
                f"Quota limit {maximum} for {resource} is below the {there} that project "
                f"{project_id} uses."
            )


def delete_quota(call: Call, project_id: str) -> None:
    """Go back to the defaults."""
    if not forget_limits(call.session, project_id, SERVICE):
        raise NotFound(
            f"Quota for tenant {project_id} could not be found.", kind="TenantQuotaNotFound"
        )
    call.audit("delete", "quota", project_id)


def routes(table: Routes) -> None:
    """Add the routes of quotas."""
    table.add("GET", "/quotas", list_quotas, policy="update_quota")
    table.add("GET", "/quotas/tenant", show_own_project, policy="get_quota")
    table.add("GET", "/quotas/project", show_own_project, policy="get_quota")
    table.add("GET", "/quotas/{project_id}", show_quota, policy="get_quota")
    table.add("GET", "/quotas/{project_id}/default", show_defaults, policy="get_quota")
    table.add("GET", "/quotas/{project_id}/details.json", show_details, policy="get_quota")
    table.add("GET", "/quotas/{project_id}/details", show_details, policy="get_quota")
    table.add("PUT", "/quotas/{project_id}", update_quota, policy="update_quota")
    table.add("DELETE", "/quotas/{project_id}", delete_quota, policy="delete_quota", status=204)
