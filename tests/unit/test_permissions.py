"""The written table of who may do what is whole; tests/api/isolation shows that it is true."""

from __future__ import annotations

from freehold.app import route_tables
from freehold.compute.server_actions import ACTIONS
from tests.api.isolation.table import REQUESTS, read_table

LINES = read_table()
ACTION_PATH = "/compute/v2.1/servers/{server_id}/action"


def _routes() -> set[str]:
    """All that the application serves, an action of a server as a path of its own."""
    routes = {("GET", "/")} | {route for table in route_tables() for route in table.policies}
    actions = {("POST", f"{ACTION_PATH}#{name}") for name in ACTIONS}
    return {" ".join(route) for route in (routes - {("POST", ACTION_PATH)}) | actions}


def test_every_route_stands_in_the_table() -> None:
    missing = _routes() - {str(line) for line in LINES}
    assert not missing, (
        "Say in docs/reference/permissions.md who may, in tests/api/isolation/requests.yml by "
        f"what body: {sorted(missing)}"
    )


def test_the_table_has_each_route_once_and_no_others() -> None:
    written = [str(line) for line in LINES]
    assert len(set(written)) == len(written)
    assert set(written) - _routes() == set()
    assert set(REQUESTS) - set(written) == set()


def test_where_nobody_succeeds_the_table_says_why() -> None:
    silent = [str(line) for line in LINES if min(line.expected) >= 400 and not line.note]
    assert silent == []
