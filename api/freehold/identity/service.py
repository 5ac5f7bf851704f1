"""A service of the catalogue: a type that clients look for, and a name."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from freehold.access import Rule
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity.attributes import HasExtra, Name255, Text, Wish, keep_extra
from freehold.identity.collection import (
    MAXIMUM_ROWS,
    add_read,
    boolean,
    link,
    load,
    load_alone,
    page,
)
from freehold.identity.version import VERSION
from freehold.store import Base, new_hex_id

RULES = [
    Rule(f"identity:{name}", "rule:admin_required", described)
    for name, described in (
        ("get_service", "GET /v3/services/{service_id}"),
        ("list_services", "GET /v3/services"),
        ("create_service", "POST /v3/services"),
        ("update_service", "PATCH /v3/services/{service_id}"),
        ("delete_service", "DELETE /v3/services/{service_id}"),
    )
]


class Service(HasExtra, Base):
    """One service; several may have the same type."""

    __tablename__ = "services"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_hex_id)
    type: Mapped[str] = mapped_column(index=True)
    name: Mapped[str | None]
    description: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(default=True)


class ServiceChange(Wish):
    """What may be said of a service."""

    type: Name255 = ""
    name: Text | None = None
    description: Text | None = None
    enabled: bool = True


class ServiceWish(ServiceChange):
    """A service to be made."""

    type: Name255


class NewService(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid")
    service: ServiceWish


class ChangedService(BaseModel):
    """Body of an update."""

    model_config = ConfigDict(extra="forbid")
    service: ServiceChange


LISTING = Listing(
    id=Service.id,
    columns={
        "id": Service.id,
        "type": Service.type,
        "name": Service.name,
        "enabled": Service.enabled,
    },
    parsers={"enabled": boolean},
    default_sort=[SortKey("type"), SortKey("name")],
    maximum=MAXIMUM_ROWS,
)


def wire(call: Call, service: Service) -> dict[str, Any]:
    """The service as the API shows it."""
    shown = {
        **service.extra,
        "id": service.id,
        "type": service.type,
        "enabled": service.enabled,
        "links": {"self": link(call, f"/services/{service.id}")},
    }
    optional = {"name": service.name, "description": service.description}
    return shown | {key: value for key, value in optional.items() if value is not None}


def list_services(call: Call) -> dict[str, Any]:
    """All services; filters type and name."""
    return page(call, LISTING, select(Service), "services", wire)


def show_service(call: Call, service_id: str) -> dict[str, Any]:
    """One service."""
    return {"service": wire(call, load(call.session, Service, "service", service_id))}


def create_service(call: Call, body: NewService) -> dict[str, Any]:
    """Make a service."""
    wish = body.service
    service = Service(
        id=new_hex_id(),
        type=wish.type,
        name=wish.name or "",
        description=wish.description,
        enabled=wish.enabled,
        extra={},
    )
    keep_extra(service, wish)
    call.session.add(service)
    call.session.flush()
    call.audit("create", "service", service.id)
    return {"service": wire(call, service)}


def update_service(call: Call, service_id: str, body: ChangedService) -> dict[str, Any]:
    """Change a service."""
    service = load_alone(call.session, Service, "service", service_id)
    for key, value in body.service.said("type", "name", "description", "enabled").items():
        setattr(service, key, value)
    keep_extra(service, body.service)
    call.session.flush()
    call.audit("update", "service", service.id)
    return {"service": wire(call, service)}


def delete_service(call: Call, service_id: str) -> Reply:
    """Remove a service with its endpoints."""
    call.session.delete(load(call.session, Service, "service", service_id))
    call.audit("delete", "service", service_id)
    return Reply(status=204)


ROUTES = Routes(VERSION)
add_read(ROUTES, "/services", list_services, policy="identity:list_services")
add_read(ROUTES, "/services/{service_id}", show_service, policy="identity:get_service")
ROUTES.add("POST", "/services", create_service, policy="identity:create_service", status=201)
ROUTES.add("PATCH", "/services/{service_id}", update_service, policy="identity:update_service")
ROUTES.add(
    "DELETE", "/services/{service_id}", delete_service, policy="identity:delete_service", status=204
)
