"""Collections that clients look at and that are empty in this cloud.

There are no agents, since the network is OVN's on every host; no availability zones of the network,
and no service providers to choose from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.access import Rule
from freehold.errors import NotFound
from freehold.http import Call, Routes

RULES = [
    Rule("get_agent", "rule:logged_in", "GET /agents"),
    Rule("get_availability_zone", "rule:logged_in", "GET /availability_zones"),
    Rule("get_service_provider", "rule:logged_in", "GET /service-providers"),
]


def _nothing(plural: str) -> Callable[[Call], dict[str, Any]]:
    def list_nothing(call: Call) -> dict[str, Any]:
        """An empty list."""
        return {plural: []}

    list_nothing.__name__ = f"list_{plural}"
    return list_nothing


def show_agent(call: Call, agent_id: str) -> None:
    """There is none."""
    raise NotFound(f"Agent {agent_id} could not be found.", kind="AgentNotFound")


def routes(table: Routes) -> None:
    """Add the routes of what is not here."""
    for path, plural, policy in (
        ("/agents", "agents", "get_agent"),
        ("/availability_zones", "availability_zones", "get_availability_zone"),
        ("/service-providers", "service_providers", "get_service_provider"),
    ):
        table.add("GET", path, _nothing(plural), policy=policy)
    table.add("GET", "/agents/{agent_id}", show_agent, policy="get_agent")
