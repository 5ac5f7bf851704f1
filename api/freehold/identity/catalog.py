"""The catalogue as tokens carry it: enabled services with their enabled endpoints."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.identity.endpoint import Endpoint
from freehold.identity.service import Service

_ROWS = (
    select(
        Service.id,
        Service.type,
        Service.name,
        Endpoint.id,
        Endpoint.interface,
        Endpoint.region_id,
        Endpoint.url,
    )
    .join(Endpoint, Endpoint.service_id == Service.id)
    .where(Service.enabled.is_(True), Endpoint.enabled.is_(True))
    .order_by(Service.type, Service.id, Endpoint.interface, Endpoint.id)
)
"""Built once: every scoped token asks it."""


def catalog(session: Session, project_id: str | None) -> list[dict[str, Any]]:
    """All services in the API's form, with the project's id in URLs that ask for it.

    An endpoint whose URL needs a project is left out of a token without one.
    """
    rows = session.execute(_ROWS)
    services: dict[str, dict[str, Any]] = {}
    for service_id, kind, name, endpoint_id, interface, region_id, url in rows:
        entry = services.setdefault(
            service_id, {"endpoints": [], "id": service_id, "type": kind, "name": name or ""}
        )
        if (place := in_project(url, project_id)) is not None:
            entry["endpoints"].append(
                {
                    "id": endpoint_id,
                    "interface": interface,
                    "region_id": region_id,
                    "region": region_id,
                    "url": place,
                }
            )
    return list(services.values())


def in_project(url: str, project_id: str | None) -> str | None:
    """The URL with ``$(project_id)s`` and its older spellings filled in; None without a project."""
    for form in ("$(project_id)s", "%(project_id)s", "$(tenant_id)s", "%(tenant_id)s"):
        if form in url:
            if project_id is None:
                return None
            url = url.replace(form, project_id)
    return url
