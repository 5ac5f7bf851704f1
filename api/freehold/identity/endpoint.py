"""An endpoint: the URL of a service for one kind of client in one region."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from freehold.access import Rule
from freehold.errors import BadRequest
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity.attributes import HasExtra, Identifier, Text, Wish, keep_extra
from freehold.identity.collection import (
    MAXIMUM_ROWS,
    add_read,
    boolean,
    link,
    load,
    load_alone,
    page,
)
from freehold.identity.region import Region
from freehold.identity.service import Service
from freehold.identity.version import VERSION
from freehold.store import Base, new_hex_id

RULES = [
    Rule(f"identity:{name}", "rule:admin_required", described)
    for name, described in (
        ("get_endpoint", "GET /v3/endpoints/{endpoint_id}"),
        ("list_endpoints", "GET /v3/endpoints"),
        ("create_endpoint", "POST /v3/endpoints"),
        ("update_endpoint", "PATCH /v3/endpoints/{endpoint_id}"),
        ("delete_endpoint", "DELETE /v3/endpoints/{endpoint_id}"),
    )
]


class Endpoint(HasExtra, Base):
    """One endpoint."""

    __tablename__ = "endpoints"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_hex_id)
    service_id: Mapped[str] = mapped_column(
        ForeignKey("services.id", ondelete="CASCADE"), index=True
    )
    interface: Mapped[str]
    url: Mapped[str]
    region_id: Mapped[str | None] = mapped_column(ForeignKey("regions.id"), index=True)
    enabled: Mapped[bool] = mapped_column(default=True)


def _reachable(text: str) -> str:
    if not text.startswith(("http://", "https://")) or "\x00" in text:
        raise ValueError("must be an http or https URL")
    return text


Url = Annotated[str, StringConstraints(min_length=1, max_length=2048), AfterValidator(_reachable)]
Interface = Literal["public", "internal", "admin"]


class EndpointChange(Wish):
    """What may be said of an endpoint; ``region`` is the older name of ``region_id``."""

    service_id: Identifier = ""
    interface: Interface = "public"
    url: Url = ""
    region_id: Text | None = None
    region: Text | None = None
    enabled: bool = True
    name: Text | None = None
    description: Text | None = None


class EndpointWish(EndpointChange):
    """An endpoint to be made."""

    service_id: Identifier
    interface: Interface
    url: Url


class NewEndpoint(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid")
    endpoint: EndpointWish


class ChangedEndpoint(BaseModel):
    """Body of an update."""

    model_config = ConfigDict(extra="forbid")
    endpoint: EndpointChange


LISTING = Listing(
    id=Endpoint.id,
    columns={
        "id": Endpoint.id,
        "service_id": Endpoint.service_id,
        "interface": Endpoint.interface,
        "region_id": Endpoint.region_id,
        "enabled": Endpoint.enabled,
    },
    parsers={"enabled": boolean},
    default_sort=[SortKey("service_id"), SortKey("interface")],
    maximum=MAXIMUM_ROWS,
)


def wire(call: Call, endpoint: Endpoint) -> dict[str, Any]:
    """The endpoint as the API shows it."""
    return {
        **endpoint.extra,
        "id": endpoint.id,
        "service_id": endpoint.service_id,
        "interface": endpoint.interface,
        "url": endpoint.url,
        "region": endpoint.region_id,
        "region_id": endpoint.region_id,
        "enabled": endpoint.enabled,
        "links": {"self": link(call, f"/endpoints/{endpoint.id}")},
    }


def list_endpoints(call: Call) -> dict[str, Any]:
    """All endpoints; filters interface, service_id, region_id."""
    return page(call, LISTING, select(Endpoint), "endpoints", wire)


def show_endpoint(call: Call, endpoint_id: str) -> dict[str, Any]:
    """One endpoint."""
    return {"endpoint": wire(call, load(call.session, Endpoint, "endpoint", endpoint_id))}


def create_endpoint(call: Call, body: NewEndpoint) -> dict[str, Any]:
    """Make an endpoint; a region that does not exist yet is made."""
    wish = body.endpoint
    _require_service(call, wish.service_id)
    endpoint = Endpoint(
        id=new_hex_id(),
        service_id=wish.service_id,
        interface=wish.interface,
        url=wish.url,
        region_id=_region_id(call, wish),
        enabled=wish.enabled,
        extra=wish.said("name", "description"),
    )
    keep_extra(endpoint, wish)
    call.session.add(endpoint)
    call.session.flush()
    call.audit("create", "endpoint", endpoint.id)
    return {"endpoint": wire(call, endpoint)}


def update_endpoint(call: Call, endpoint_id: str, body: ChangedEndpoint) -> dict[str, Any]:
    """Change an endpoint."""
    wish = body.endpoint
    endpoint = load_alone(call.session, Endpoint, "endpoint", endpoint_id)
    said = wish.said("service_id", "interface", "url", "enabled")
    if "service_id" in said:
        _require_service(call, wish.service_id)
    for key, value in said.items():
        setattr(endpoint, key, value)
    if wish.model_fields_set & {"region", "region_id"}:
        endpoint.region_id = _region_id(call, wish)
    if told := wish.said("name", "description"):
        endpoint.extra = {**endpoint.extra, **told}
    keep_extra(endpoint, wish)
    call.session.flush()
    call.audit("update", "endpoint", endpoint.id)
    return {"endpoint": wire(call, endpoint)}


def delete_endpoint(call: Call, endpoint_id: str) -> Reply:
    """Remove an endpoint."""
    call.session.delete(load(call.session, Endpoint, "endpoint", endpoint_id))
    call.audit("delete", "endpoint", endpoint_id)
    return Reply(status=204)


def _require_service(call: Call, service_id: str) -> None:
    if call.session.get(Service, service_id) is None:
        raise BadRequest(f"Could not find service: {service_id}.")


def _region_id(call: Call, wish: EndpointChange) -> str | None:
    """The region named; as in keystone, ``region`` makes one that does not exist."""
    if wish.region_id is not None:
        if call.session.get(Region, wish.region_id) is None:
            raise BadRequest(f"Could not find region: {wish.region_id}.")
        return wish.region_id
    if wish.region is not None and call.session.get(Region, wish.region) is None:
        call.session.add(Region(id=wish.region, description="", extra={}))
        call.session.flush()
    return wish.region


ROUTES = Routes(VERSION)
add_read(ROUTES, "/endpoints", list_endpoints, policy="identity:list_endpoints")
add_read(ROUTES, "/endpoints/{endpoint_id}", show_endpoint, policy="identity:get_endpoint")
ROUTES.add("POST", "/endpoints", create_endpoint, policy="identity:create_endpoint", status=201)
ROUTES.add("PATCH", "/endpoints/{endpoint_id}", update_endpoint, policy="identity:update_endpoint")
ROUTES.add(
    "DELETE",
    "/endpoints/{endpoint_id}",
    delete_endpoint,
    policy="identity:delete_endpoint",
    status=204,
)
