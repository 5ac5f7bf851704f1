"""``GET /extensions``: empty, since everything is in the API itself and told by microversions."""

from __future__ import annotations

from typing import Any

from freehold.access import Rule
from freehold.errors import NotFound
from freehold.http import Call, Routes

RULES = [Rule("os_compute_api:extensions", "rule:logged_in", "GET /extensions")]


def list_extensions(call: Call) -> dict[str, Any]:
    """No extensions."""
    return {"extensions": []}


def show_extension(call: Call, alias: str) -> None:
    """None of this name."""
    raise NotFound(f"No extension {alias}.")


def routes(table: Routes) -> None:
    """Add them."""
    table.add("GET", "/extensions", list_extensions, policy="os_compute_api:extensions")
    table.add("GET", "/extensions/{alias}", show_extension, policy="os_compute_api:extensions")
