"""Flavors: the sizes of servers that the operator offers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Caller, Rule
from freehold.compute.link import links
from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call, Listing, Routes, SortKey
from freehold.store import Base, new_id

LARGEST = 2**31 - 1
RULES = [
    Rule("os_compute_api:os-flavor-manage:create", "rule:admin_required", "POST /flavors"),
    Rule("os_compute_api:os-flavor-manage:update", "rule:admin_required", "PUT /flavors/{id}"),
    Rule("os_compute_api:os-flavor-manage:delete", "rule:admin_required", "DELETE /flavors/{id}"),
    Rule("os_compute_api:flavors", "rule:logged_in", "GET /flavors"),
    Rule("os_compute_api:os-flavor-access", "rule:admin_required", "Flavor access lists"),
    Rule("os_compute_api:os-flavor-extra-specs:index", "rule:logged_in", "See extra specs"),
    Rule("os_compute_api:os-flavor-extra-specs:change", "rule:admin_required", "Set them"),
]


class FlavorAccess(Base):
    """A project may use a flavor that is not public."""

    __tablename__ = "flavor_access"

    flavor_id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(primary_key=True)


class Flavor(Base):
    """One size. Sizes never change: servers keep a snapshot of what they were made from.

    Attributes:
        position: Order of creation, for paging as nova pages.
    """

    __tablename__ = "flavors"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    root_gib: Mapped[int]
    ephemeral_gib: Mapped[int] = mapped_column(default=0)
    swap_mib: Mapped[int] = mapped_column(default=0)
    rxtx_factor: Mapped[float] = mapped_column(default=1.0)
    is_public: Mapped[bool] = mapped_column(default=True)
    disabled: Mapped[bool] = mapped_column(default=False)
    extra_specs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]

    def snapshot(self) -> dict[str, Any]:
        """What a server remembers of its flavor besides the sizes in its columns."""
        return {
            "name": self.name,
            "ephemeral_gib": self.ephemeral_gib,
            "swap_mib": self.swap_mib,
            "extra_specs": dict(self.extra_specs),
        }


def _name(text: str) -> str:
    stripped = text.strip()
    if not stripped or not stripped.isprintable():
        raise ValueError("must have 1 to 255 printable characters")
    return stripped


class FlavorWish(BaseModel):
    """Body of POST."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_name)]
    id: str | int | None = None
    ram: int = Field(ge=1, le=LARGEST)
    vcpus: int = Field(ge=1, le=LARGEST)
    disk: int = Field(ge=0, le=LARGEST)
    ephemeral: int = Field(default=0, ge=0, le=LARGEST, alias="OS-FLV-EXT-DATA:ephemeral")
    swap: int = Field(default=0, ge=0, le=LARGEST)
    rxtx_factor: float = Field(default=1.0, gt=0, le=3.4e38)
    is_public: bool = Field(default=True, alias="os-flavor-access:is_public")
    description: str | None = Field(default=None, max_length=65535)


class _Create(BaseModel):
    model_config = ConfigDict(extra="forbid")
    flavor: FlavorWish


class _Description(BaseModel):
    model_config = ConfigDict(extra="forbid")
    description: str | None = Field(max_length=65535)


class _Update(BaseModel):
    model_config = ConfigDict(extra="forbid")
    flavor: _Description


LISTING = Listing(
    id=Flavor.id,
    columns={
        "flavorid": Flavor.id,
        "id": Flavor.id,
        "name": Flavor.name,
        "memory_mb": Flavor.memory_mib,
        "vcpus": Flavor.vcpus,
        "root_gb": Flavor.root_gib,
        "ephemeral_gb": Flavor.ephemeral_gib,
        "swap": Flavor.swap_mib,
        "created_at": Flavor.created_at,
        "is_public": Flavor.is_public,
        "disabled": Flavor.disabled,
    },
    default_sort=(SortKey("flavorid"),),
)


def visible(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: public flavors and those that the caller's project was given."""
    if caller.is_admin:
        return Flavor.id.is_not(None)
    given = select(FlavorAccess.flavor_id).where(FlavorAccess.project_id == caller.project_id)
    return or_(Flavor.is_public.is_(True), Flavor.id.in_(given))


def find_flavor(session: Session, caller: Caller, flavor_id: str) -> Flavor:
    """A flavor that the caller may see.

    Raises:
        NotFound: There is none.
    """
    flavor = session.scalars(select(Flavor).where(Flavor.id == flavor_id, visible(caller))).first()
    if flavor is None:
        raise NotFound(f"Flavor {flavor_id} could not be found.", kind="FlavorNotFound")
    return flavor


def usable_flavor(session: Session, caller: Caller, flavor_id: str) -> Flavor:
    """A flavor to make a server of.

    Raises:
        BadRequest: There is none that the caller may use.
    """
    try:
        flavor = find_flavor(session, caller, flavor_id)
    except NotFound as error:
        raise BadRequest(error.message) from error
    if flavor.disabled:
        raise BadRequest(f"Flavor {flavor_id} is disabled.")
    return flavor


def wire(call: Call, flavor: Flavor) -> dict[str, Any]:
    """A flavor as the detailed list shows it."""
    shown: dict[str, Any] = {
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.memory_mib,
        "disk": flavor.root_gib,
        "vcpus": flavor.vcpus,
        "swap": flavor.swap_mib or (0 if call.at_least("2.75") else ""),
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gib,
        "OS-FLV-DISABLED:disabled": flavor.disabled,
        "os-flavor-access:is_public": flavor.is_public,
        "rxtx_factor": flavor.rxtx_factor,
        "links": links(call, "flavors", flavor.id),
    }
    if call.at_least("2.55"):
        shown["description"] = flavor.description
    if call.at_least("2.61"):
        shown["extra_specs"] = flavor.extra_specs
    return shown


def basic_wire(call: Call, flavor: Flavor) -> dict[str, Any]:
    """A flavor as the plain list shows it."""
    shown: dict[str, Any] = {
        "id": flavor.id,
        "name": flavor.name,
        "links": links(call, "flavors", flavor.id),
    }
    if call.at_least("2.55"):
        shown["description"] = flavor.description
    return shown


def _listed(call: Call, form: Any) -> dict[str, Any]:
    statement = select(Flavor).where(visible(call.caller), *_filters(call))
    limit = LISTING.limit(call.params.get("limit"))
    page = LISTING.page(
        call.session,
        statement,
        sort=LISTING.sort_keys(call.many("sort_key"), call.many("sort_dir")),
        limit=limit,
        marker=call.params.get("marker"),
    )
    body: dict[str, Any] = {"flavors": [form(call, row) for row in page.rows]}
    if page.more and limit:
        path = call.request.url.path
        href = call.url(f"{path}?limit={limit}&marker={page.rows[-1].id}")
        body["flavors_links"] = [{"rel": "next", "href": href}]
    return body


def _filters(call: Call) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for name, column in (("minRam", Flavor.memory_mib), ("minDisk", Flavor.root_gib)):
        if (text := call.params.get(name)) is not None:
            if not (text.isascii() and text.isdigit()):
                raise BadRequest(f"Invalid {name} filter [{text[:32]}]")
            conditions.append(column >= int(text[:12]))
    public = call.params.get("is_public", "" if call.caller.is_admin else "none").lower()
    if call.caller.is_admin and public != "none":
        known = {"": True, "true": True, "1": True, "false": False, "0": False}
        if public not in known:
            raise BadRequest(f"Invalid is_public filter [{public[:32]}]")
        conditions.append(Flavor.is_public.is_(known[public]))
    return conditions


def list_flavors(call: Call) -> dict[str, Any]:
    """Flavors by name; filters minRam, minDisk and (for admins) is_public."""
    return _listed(call, basic_wire)


def list_flavors_detail(call: Call) -> dict[str, Any]:
    """Flavors with their sizes."""
    return _listed(call, wire)


def show_flavor(call: Call, flavor_id: str) -> dict[str, Any]:
    """One flavor."""
    return {"flavor": wire(call, find_flavor(call.session, call.caller, flavor_id))}


def create_flavor(call: Call, body: _Create) -> dict[str, Any]:
    """Offer a new size."""
    wish = body.flavor
    if wish.description is not None and not call.at_least("2.55"):
        raise BadRequest("Invalid input: description needs microversion 2.55.")
    flavor_id = new_id() if wish.id in (None, "auto") else str(wish.id).strip()
    if not 1 <= len(flavor_id) <= 255 or not all(c.isalnum() or c in ".-_ " for c in flavor_id):
        raise BadRequest("Invalid input for flavor id: letters, digits, '.', '-', '_' and spaces.")
    known = select(Flavor).where(or_(Flavor.id == flavor_id, Flavor.name == wish.name))
    if (other := call.session.scalars(known).first()) is not None:
        same = f"ID {flavor_id}" if other.id == flavor_id else f"name {wish.name}"
        raise Conflict(f"Flavor with {same} already exists.")
    flavor = Flavor(
        id=flavor_id,
        name=wish.name,
        description=wish.description,
        vcpus=wish.vcpus,
        memory_mib=wish.ram,
        root_gib=wish.disk,
        ephemeral_gib=wish.ephemeral,
        swap_mib=wish.swap,
        rxtx_factor=wish.rxtx_factor,
        is_public=wish.is_public,
        disabled=False,
        extra_specs={},
        created_at=call.now,
    )
    call.session.add(flavor)
    if not wish.is_public and call.caller.project_id:
        call.session.add(FlavorAccess(flavor_id=flavor_id, project_id=call.caller.project_id))
    call.session.flush()
    call.audit("create", "flavor", flavor_id)
    return {"flavor": wire(call, flavor)}


def update_flavor(call: Call, flavor_id: str, body: _Update) -> dict[str, Any]:
    """Change a flavor's description (from 2.55); its sizes stay."""
    if not call.at_least("2.55"):
        raise NotFound("The resource could not be found.")
    flavor = find_flavor(call.session, call.caller, flavor_id)
    flavor.description = body.flavor.description
    call.audit("update", "flavor", flavor_id)
    return {"flavor": wire(call, flavor)}


def delete_flavor(call: Call, flavor_id: str) -> None:
    """Offer a size no longer; servers made from it keep theirs."""
    flavor = find_flavor(call.session, call.caller, flavor_id)
    for access in call.session.scalars(
        select(FlavorAccess).where(FlavorAccess.flavor_id == flavor_id)
    ):
        call.session.delete(access)
    call.session.delete(flavor)
    call.audit("delete", "flavor", flavor_id)


def routes(table: Routes) -> None:
    """Add the routes of flavors."""
    see, manage = "os_compute_api:flavors", "os_compute_api:os-flavor-manage"
    table.add("GET", "/flavors", list_flavors, policy=see)
    table.add("GET", "/flavors/detail", list_flavors_detail, policy=see)
    table.add("POST", "/flavors", create_flavor, policy=f"{manage}:create")
    table.add("GET", "/flavors/{flavor_id}", show_flavor, policy=see)
    table.add("PUT", "/flavors/{flavor_id}", update_flavor, policy=f"{manage}:update")
    table.add(
        "DELETE", "/flavors/{flavor_id}", delete_flavor, policy=f"{manage}:delete", status=202
    )
