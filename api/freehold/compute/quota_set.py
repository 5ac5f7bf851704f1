"""Quota sets: what an operator lets a project have of the Compute API's resources."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from freehold.access import Rule, forget_limits, hold, limits_of, set_limits
from freehold.compute.capacity import used_by_project
from freehold.compute.quota import QUOTA_DEFAULTS, SERVICE, require_project
from freehold.errors import BadRequest
from freehold.http import Call, Reply, Routes, Whole

POLICY = "os_compute_api:os-quota-sets"
RULES = [
    Rule(f"{POLICY}:show", "rule:admin_or_reader", "GET /os-quota-sets/{project_id}"),
    Rule(f"{POLICY}:defaults", "rule:logged_in", "The limits of a project without its own"),
    Rule(f"{POLICY}:detail", "rule:admin_or_reader", "The same with what is used"),
    Rule(f"{POLICY}:update", "rule:admin_required", "PUT /os-quota-sets/{project_id}"),
    Rule(f"{POLICY}:delete", "rule:admin_required", "DELETE /os-quota-sets/{project_id}"),
]
UNTIL_2_36 = {
    "fixed_ips": -1,
    "floating_ips": -1,
    "security_groups": -1,
    "security_group_rules": -1,
}
INJECTED = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")


Maximum = Annotated[Whole, Field(ge=-1, le=2**31 - 1)]


class QuotaSet(BaseModel):
    """Limits to set; -1 is without limit. Those of the network belong to the Networking API."""

    model_config = ConfigDict(extra="forbid")

    force: bool | None = None
    instances: Maximum | None = None
    cores: Maximum | None = None
    ram: Maximum | None = None
    metadata_items: Maximum | None = None
    injected_files: Maximum | None = None
    injected_file_content_bytes: Maximum | None = None
    injected_file_path_bytes: Maximum | None = None
    key_pairs: Maximum | None = None
    server_groups: Maximum | None = None
    server_group_members: Maximum | None = None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    quota_set: QuotaSet


def _shown(call: Call, limits: dict[str, Any]) -> dict[str, Any]:
    shown = dict(limits)
    if call.at_least("2.57"):
        for name in INJECTED:
            shown.pop(name, None)
    if not call.at_least("2.36"):
        shown |= UNTIL_2_36
    return shown


def show_quota_set(call: Call, project_id: str) -> dict[str, Any]:
    """A project's limits."""
    call.enforce(f"{POLICY}:show", {"project_id": project_id})
    limits = limits_of(call.session, project_id, SERVICE, QUOTA_DEFAULTS)
    return {"quota_set": {"id": project_id} | _shown(call, limits)}


def show_defaults(call: Call, project_id: str) -> dict[str, Any]:
    """The limits of a project for which none were set."""
    return {"quota_set": {"id": project_id} | _shown(call, dict(QUOTA_DEFAULTS))}


def show_detail(call: Call, project_id: str) -> dict[str, Any]:
    """Limits and use side by side."""
    call.enforce(f"{POLICY}:detail", {"project_id": project_id})
    in_use = _in_use(call, project_id)
    limits = limits_of(call.session, project_id, SERVICE, QUOTA_DEFAULTS)
    detail = {
        name: {"limit": limit, "in_use": in_use.get(name, 0), "reserved": 0}
        for name, limit in _shown(call, limits).items()
    }
    return {"quota_set": {"id": project_id} | detail}


def _in_use(call: Call, project_id: str) -> dict[str, int]:
    used = used_by_project(call.session, project_id)
    return {"instances": used.servers, "cores": used.vcpus, "ram": used.memory_mib}


def update_quota_set(call: Call, project_id: str, body: _Body) -> dict[str, Any]:
    """Set limits of a project that there is; below what is used only with ``force``."""
    require_project(call, project_id)
    if call.at_least("2.57") and body.quota_set.model_fields_set & set(INJECTED):
        raise BadRequest("Invalid input: limits of injected files ended with microversion 2.56.")
    wish = body.quota_set.model_dump(exclude_none=True, exclude={"force"})
    hold(call.session, project_id, SERVICE)
    if not body.quota_set.force:
        in_use = _in_use(call, project_id)
        for name, limit in wish.items():
            if -1 < limit < in_use.get(name, 0):
                raise BadRequest(
                    f"Quota limit {limit} for {name} must be greater than or equal to already used "
                    f"and reserved {in_use[name]}."
                )
    set_limits(call.session, project_id, SERVICE, wish)
    call.audit("update", "quota_set", project_id)
    limits = limits_of(call.session, project_id, SERVICE, QUOTA_DEFAULTS)
    return {"quota_set": _shown(call, limits)}


def delete_quota_set(call: Call, project_id: str) -> Reply:
    """Go back to the defaults."""
    forget_limits(call.session, project_id, SERVICE)
    call.audit("delete", "quota_set", project_id)
    return Reply(None, 202)


def routes(table: Routes) -> None:
    """Add the routes of quota sets."""
    path = "/os-quota-sets/{project_id}"
    table.add("GET", path, show_quota_set, policy=f"{POLICY}:show")
    table.add("GET", path + "/defaults", show_defaults, policy=f"{POLICY}:defaults")
    table.add("GET", path + "/detail", show_detail, policy=f"{POLICY}:detail")
    table.add("PUT", path, update_quota_set, policy=f"{POLICY}:update")
    table.add("DELETE", path, delete_quota_set, policy=f"{POLICY}:delete", status=202, empty=True)
