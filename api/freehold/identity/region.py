"""A region: where an endpoint stands."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from sqlalchemy import ForeignKey, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from freehold.access import Rule
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity.attributes import (
    HasExtra,
    Text,
    Wish,
    keep_extra,
    require_same,
)
from freehold.identity.collection import MAXIMUM_ROWS, add_read, link, load, load_alone, page
from freehold.identity.version import VERSION
from freehold.store import Base, new_hex_id

RULES = [
    Rule("identity:get_region", "", "GET /v3/regions/{region_id}"),
    Rule("identity:list_regions", "", "GET /v3/regions"),
    Rule("identity:create_region", "rule:admin_required", "POST /v3/regions"),
    Rule("identity:update_region", "rule:admin_required", "PATCH /v3/regions/{region_id}"),
    Rule("identity:delete_region", "rule:admin_required", "DELETE /v3/regions/{region_id}"),
]


class Region(HasExtra, Base):
    """One region, named by its id."""

    __tablename__ = "regions"

    id: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str] = mapped_column(default="")
    parent_region_id: Mapped[str | None] = mapped_column(ForeignKey("regions.id"))


def _plain(text: str) -> str:
    if "\x00" in text or "/" in text:
        raise ValueError("must contain neither NUL nor slash")
    return text


RegionId = Annotated[str, StringConstraints(max_length=255), AfterValidator(_plain)]


class RegionWish(Wish):
    """What may be said of a region; without an id one is made."""

    id: RegionId | None = None
    description: Text | None = None
    parent_region_id: RegionId | None = None


class RegionBody(BaseModel):
    """Body of a create or update."""

    model_config = ConfigDict(extra="forbid")
    region: RegionWish


LISTING = Listing(
    id=Region.id,
    columns={"id": Region.id, "parent_region_id": Region.parent_region_id},
    default_sort=[SortKey("id")],
    maximum=MAXIMUM_ROWS,
)


def wire(call: Call, region: Region) -> dict[str, Any]:
    """The region as the API shows it."""
    return {
        **region.extra,
        "id": region.id,
        "description": region.description,
        "parent_region_id": region.parent_region_id,
        "links": {"self": link(call, f"/regions/{region.id}")},
    }


def list_regions(call: Call) -> dict[str, Any]:
    """All regions."""
    return page(call, LISTING, select(Region), "regions", wire)


def show_region(call: Call, region_id: str) -> dict[str, Any]:
    """One region."""
    return {"region": wire(call, load(call.session, Region, "region", region_id))}


def create_region(call: Call, body: RegionBody) -> dict[str, Any]:
    """Make a region."""
    return _create(call, body.region.id or new_hex_id(), body.region)


def put_region(call: Call, region_id: str, body: RegionBody) -> dict[str, Any]:
    """Make a region of a given id."""
    if body.region.id not in (None, region_id):
        raise BadRequest("The id in the body is not the one in the path.")
    return _create(call, region_id, body.region)


def _create(call: Call, region_id: str, wish: RegionWish) -> dict[str, Any]:
    if call.session.get(Region, region_id) is not None:
        raise Conflict(f"Duplicate ID, {region_id}.")
    if wish.parent_region_id is not None:
        load(call.session, Region, "region", wish.parent_region_id)
    region = Region(
        id=region_id,
        description=wish.description or "",
        parent_region_id=wish.parent_region_id,
        extra={},
    )
    keep_extra(region, wish)
    call.session.add(region)
    call.session.flush()
    call.audit("create", "region", region.id)
    return {"region": wire(call, region)}


def update_region(call: Call, region_id: str, body: RegionBody) -> dict[str, Any]:
    """Change a region."""
    wish = body.region
    region = load_alone(call.session, Region, "region", region_id)
    require_same(wish, id=region.id)
    if "description" in wish.model_fields_set:
        region.description = wish.description or ""
    if "parent_region_id" in wish.model_fields_set:
        _require_no_circle(call, region_id, wish.parent_region_id)
        region.parent_region_id = wish.parent_region_id
    keep_extra(region, wish)
    call.session.flush()
    call.audit("update", "region", region.id)
    return {"region": wire(call, region)}


def _require_no_circle(call: Call, region_id: str, parent_id: str | None) -> None:
    above = parent_id
    while above is not None:
        if above == region_id:
            raise BadRequest(f"Region {region_id} cannot lie below itself.")
        above = load(call.session, Region, "region", above).parent_region_id


def delete_region(call: Call, region_id: str) -> Reply:
    """Remove a region; refused while endpoints or regions name it."""
    region = load(call.session, Region, "region", region_id)
    call.session.delete(region)
    try:
        call.session.flush()
    except IntegrityError as error:
        raise Conflict(
            f"Region {region_id} is in use by endpoints or regions below it; delete those first."
        ) from error
    call.audit("delete", "region", region_id)
    return Reply(status=204)


ROUTES = Routes(VERSION)
add_read(ROUTES, "/regions", list_regions, policy="identity:list_regions")
add_read(ROUTES, "/regions/{region_id}", show_region, policy="identity:get_region")
ROUTES.add("POST", "/regions", create_region, policy="identity:create_region", status=201)
ROUTES.add("PUT", "/regions/{region_id}", put_region, policy="identity:create_region", status=201)
ROUTES.add("PATCH", "/regions/{region_id}", update_region, policy="identity:update_region")
ROUTES.add(
    "DELETE", "/regions/{region_id}", delete_region, policy="identity:delete_region", status=204
)
