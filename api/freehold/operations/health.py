"""Whether the service can serve: public, so that a load balancer may ask."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from freehold.http import Call, Routes


def health(call: Call) -> dict[str, Any]:
    """Say that the database answers."""
    call.session.execute(select(1))
    return {"status": "ok"}


def routes(table: Routes) -> None:
    """Add the health check."""
    table.add("GET", "/health", health, policy=None)
