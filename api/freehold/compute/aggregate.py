"""``GET /os-aggregates``: none. A host's zone stands in its own row, and nothing else groups hosts.

Clients ask before they show a hypervisor.
"""

from __future__ import annotations

from typing import Any

from freehold.access import Rule
from freehold.http import Call, Routes

POLICY = "os_compute_api:os-aggregates:index"
RULES = [Rule(POLICY, "rule:admin_required", "GET /os-aggregates")]


def list_aggregates(call: Call) -> dict[str, Any]:
    """No aggregates."""
    return {"aggregates": []}


def routes(table: Routes) -> None:
    """Add it."""
    table.add("GET", "/os-aggregates", list_aggregates, policy=POLICY)
