"""What a project may have and has: ``GET /limits``."""

from __future__ import annotations

from typing import Any

from freehold.access import Rule, limits_of
from freehold.compute.capacity import used_by_project
from freehold.compute.quota import QUOTA_DEFAULTS, SERVICE
from freehold.http import Call, Routes

RULES = [
    Rule("os_compute_api:limits", "rule:logged_in", "GET /limits"),
    Rule("os_compute_api:limits:other_project", "rule:admin_required", "Limits of others"),
]
ABSOLUTE = {
    "maxTotalInstances": "instances",
    "maxTotalCores": "cores",
    "maxTotalRAMSize": "ram",
    "maxTotalKeypairs": "key_pairs",
    "maxServerMeta": "metadata_items",
    "maxServerGroups": "server_groups",
    "maxServerGroupMembers": "server_group_members",
}
UNTIL_2_57 = {
    "maxPersonality": "injected_files",
    "maxPersonalitySize": "injected_file_content_bytes",
}


def show_limits(call: Call) -> dict[str, Any]:
    """Limits and use of the caller's project, or of the one an operator names."""
    project_id = str(call.caller.project_id)
    if (asked := call.params.get("tenant_id")) is not None and asked != project_id:
        call.enforce("os_compute_api:limits:other_project")
        project_id = asked
    limits = limits_of(call.session, project_id, SERVICE, QUOTA_DEFAULTS)
    used = used_by_project(call.session, project_id)
    names = ABSOLUTE if call.at_least("2.57") else ABSOLUTE | UNTIL_2_57
    absolute = {name: limits[resource] for name, resource in names.items()} | {
        "totalInstancesUsed": used.servers,
        "totalCoresUsed": used.vcpus,
        "totalRAMUsed": used.memory_mib,
        "totalServerGroupsUsed": 0,
    }
    if not call.at_least("2.36"):
        absolute |= {
            "maxSecurityGroups": -1,
            "maxSecurityGroupRules": -1,
            "maxTotalFloatingIps": -1,
            "totalSecurityGroupsUsed": 0,
            "totalFloatingIpsUsed": 0,
        }
    if not call.at_least("2.39"):
        absolute["maxImageMeta"] = limits["metadata_items"]
    return {"limits": {"rate": [], "absolute": absolute}}


def routes(table: Routes) -> None:
    """Add it."""
    table.add("GET", "/limits", show_limits, policy="os_compute_api:limits")
