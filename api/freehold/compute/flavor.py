"""Flavors: the sizes of servers that the operator offers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import ColumnElement, delete, or_, select, true
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Caller, Rule
from freehold.compute.link import links, next_page
from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call, Listing, Number, Routes, SortKey, Whole
from freehold.store import Base, lock, new_id

LARGEST = 2**31 - 1
MANAGE = "os_compute_api:os-flavor-manage"
SEE = "os_compute_api:flavors"
SEE_SPECS = "os_compute_api:os-flavor-extra-specs:index"
RULES = [
    Rule(f"{MANAGE}:create", "rule:admin_required", "POST /flavors"),
    Rule(f"{MANAGE}:update", "rule:admin_required", "PUT /flavors/{flavor_id}"),
    Rule(f"{MANAGE}:delete", "rule:admin_required", "DELETE /flavors/{flavor_id}"),
    Rule(SEE, "rule:logged_in", "GET /flavors"),
    Rule(SEE_SPECS, "rule:admin_or_reader", "See extra specs of flavors"),
]


class FlavorAccess(Base):
    """A project may use a flavor that is not public."""

    __tablename__ = "flavor_access"

    flavor_id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(primary_key=True)


class Flavor(Base):
    """One size. Sizes never change, and servers keep a snapshot of what they were made from.

    Attributes:
        id: The operator's own, such as ``m1.tiny``, or made by us.
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


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def plain(text: str) -> str:
    """Refuse NUL, which no database keeps."""
    if "\0" in text:
        raise ValueError("must not contain the character NUL")
    return text


Id = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9. _-]+$")]
Size = Annotated[Whole, Field(ge=0, le=LARGEST)]
Some = Annotated[Whole, Field(ge=1, le=LARGEST)]

Description = Annotated[str, Field(max_length=65535), AfterValidator(plain)]


class FlavorWish(BaseModel):
    """Body of POST."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_name)]
    id: Annotated[Id, BeforeValidator(_number_as_text)] | None = None
    ram: Some
    vcpus: Some
    disk: Size
    ephemeral: Size = Field(default=0, alias="OS-FLV-EXT-DATA:ephemeral")
    swap: Size = 0
    rxtx_factor: Number = Field(default=1.0, gt=0, le=3.40282e38)
    is_public: bool = Field(default=True, alias="os-flavor-access:is_public")
    description: Description | None = None


class _Create(BaseModel):
    model_config = ConfigDict(extra="forbid")
    flavor: FlavorWish


class _Description(BaseModel):
    model_config = ConfigDict(extra="forbid")
    description: Description | None


class _Update(BaseModel):
    model_config = ConfigDict(extra="forbid")
    flavor: _Description


LISTING = Listing(
    id=Flavor.id,
    columns={
        "flavorid": Flavor.id,
        "id": Flavor.id,
        "name": Flavor.name,
        "description": Flavor.description,
        "memory_mb": Flavor.memory_mib,
        "vcpus": Flavor.vcpus,
        "root_gb": Flavor.root_gib,
        "ephemeral_gb": Flavor.ephemeral_gib,
        "swap": Flavor.swap_mib,
        "rxtx_factor": Flavor.rxtx_factor,
        "created_at": Flavor.created_at,
        "updated_at": Flavor.created_at,
        "is_public": Flavor.is_public,
        "disabled": Flavor.disabled,
    },
    default_sort=(SortKey("flavorid"),),
)


def public_or_given(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: public flavors and those that the caller's project was given."""
    given = select(FlavorAccess.flavor_id).where(FlavorAccess.project_id == caller.project_id)
    return or_(Flavor.is_public.is_(True), Flavor.id.in_(given))


def find_flavor(session: Session, caller: Caller, flavor_id: str) -> Flavor:
    """A flavor that the caller may see; operators see all.

    Raises:
        NotFound: There is none.
    """
    visible = true() if caller.is_admin else public_or_given(caller)
    flavor = session.scalar(select(Flavor).where(Flavor.id == flavor_id, visible))
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


def wire(call: Call, flavor: Flavor) -> dict[str, Any]:
    """A flavor as the detailed list shows it."""
    shown = basic_wire(call, flavor) | {
        "ram": flavor.memory_mib,
        "disk": flavor.root_gib,
        "vcpus": flavor.vcpus,
        "swap": flavor.swap_mib or (0 if call.at_least("2.75") else ""),
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gib,
        "OS-FLV-DISABLED:disabled": flavor.disabled,
        "os-flavor-access:is_public": flavor.is_public,
        "rxtx_factor": flavor.rxtx_factor,
    }
    if call.at_least("2.61") and call.may(SEE_SPECS):
        shown["extra_specs"] = flavor.extra_specs
    return shown


def list_flavors(call: Call) -> dict[str, Any]:
    """Flavors by name; filters minRam, minDisk and (for operators) is_public."""
    return _listed(call, basic_wire, "/flavors")


def list_flavors_detail(call: Call) -> dict[str, Any]:
    """Flavors with their sizes."""
    return _listed(call, wire, "/flavors/detail")


def _listed(
    call: Call, form: Callable[[Call, Flavor], dict[str, Any]], path: str
) -> dict[str, Any]:
    page = LISTING.page(
        call.session,
        select(Flavor).where(*_filters(call)),
        sort=LISTING.sort_keys(call.many("sort_key")[:1], call.many("sort_dir")[:1]),
        limit=LISTING.limit(call.params.get("limit")),
        marker=call.params.get("marker"),
    )
    body: dict[str, Any] = {"flavors": [form(call, flavor) for flavor in page.rows]}
    if page.more:
        body |= next_page(call, "flavors_links", path, page.rows[-1].id)
    return body


def _filters(call: Call) -> list[ColumnElement[bool]]:
    conditions = [_listed_for(call)]
    for name, column in (("minRam", Flavor.memory_mib), ("minDisk", Flavor.root_gib)):
        if (text := call.params.get(name)) is not None:
            if not (text.isascii() and text.isdigit()):
                raise BadRequest(f"Invalid {name} filter [{text[:32]}]")
            conditions.append(column >= min(int(text[:12]), LARGEST))
    return conditions


def _listed_for(call: Call) -> ColumnElement[bool]:
    """SQL condition of ``is_public``: only operators may ask for more than they may use."""
    asked = call.params.get("is_public", "true").lower()
    if not call.caller.is_admin or asked in ("true", "1", "t", "yes", "y", "on"):
        return public_or_given(call.caller)
    if asked == "none":
        return true()
    if asked in ("false", "0", "f", "no", "n", "off"):
        return Flavor.is_public.is_(False)
    raise BadRequest(f"Invalid is_public filter [{asked[:32]}]")


def show_flavor(call: Call, flavor_id: str) -> dict[str, Any]:
    """One flavor."""
    return {"flavor": wire(call, find_flavor(call.session, call.caller, flavor_id))}


def create_flavor(call: Call, body: _Create) -> dict[str, Any]:
    """Offer a new size."""
    wish = body.flavor
    if "description" in wish.model_fields_set and not call.at_least("2.55"):
        raise BadRequest("Invalid input: description needs microversion 2.55.")
    flavor_id = new_id() if wish.id is None else wish.id
    if flavor_id != flavor_id.strip():
        raise BadRequest("Invalid input: a flavor's id must not start or end with a space.")
    lock(call.session, "flavors")
    _require_new(call.session, flavor_id, wish.name)
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
    call.session.flush()
    call.audit("create", "flavor", flavor_id)
    return {"flavor": wire(call, flavor)}


def _require_new(session: Session, flavor_id: str, name: str) -> None:
    same = select(Flavor.id).where(or_(Flavor.id == flavor_id, Flavor.name == name))
    if (other := session.scalar(same)) is not None:
        what = f"ID {flavor_id}" if other == flavor_id else f"name {name}"
        raise Conflict(f"Flavor with {what} already exists.")


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
    call.session.execute(delete(FlavorAccess).where(FlavorAccess.flavor_id == flavor_id))
    call.session.delete(flavor)
    call.audit("delete", "flavor", flavor_id)


def routes(table: Routes) -> None:
    """Add the routes of flavors."""
    one = "/flavors/{flavor_id}"
    table.add("GET", "/flavors", list_flavors, policy=SEE)
    table.add("GET", "/flavors/detail", list_flavors_detail, policy=SEE)
    table.add("POST", "/flavors", create_flavor, policy=f"{MANAGE}:create")
    table.add("GET", one, show_flavor, policy=SEE)
    table.add("PUT", one, update_flavor, policy=f"{MANAGE}:update")
    table.add("DELETE", one, delete_flavor, policy=f"{MANAGE}:delete", status=202, empty=True)
