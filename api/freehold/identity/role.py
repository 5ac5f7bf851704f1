"""A role, and which roles it implies: admin implies member, member implies reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, Index, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Rule
from freehold.errors import Conflict, Forbidden, NotFound
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity.assignment import revoke_holders
from freehold.identity.attributes import (
    HasExtra,
    Identifier,
    Name255,
    Text,
    Wish,
    keep_extra,
    merged_options,
    require_mutable,
    require_same,
)
from freehold.identity.collection import MAXIMUM_ROWS, add_read, link, load, load_alone, page
from freehold.identity.domain import Domain
from freehold.identity.version import VERSION
from freehold.store import Base, lock, new_hex_id

OPTIONS = frozenset({"immutable"})

RULES = [
    Rule(f"identity:{name}", "rule:admin_required", described)
    for name, described in (
        ("get_role", "GET /v3/roles/{role_id}"),
        ("list_roles", "GET /v3/roles"),
        ("create_role", "POST /v3/roles"),
        ("update_role", "PATCH /v3/roles/{role_id}"),
        ("delete_role", "DELETE /v3/roles/{role_id}"),
    )
]


class Role(HasExtra, Base):
    """One role; ``domain_id`` None is known in the whole cloud."""

    __tablename__ = "roles"
    __table_args__ = (
        Index(
            "uq_roles_global_name",
            "name",
            unique=True,
            sqlite_where=text("domain_id IS NULL"),
            postgresql_where=text("domain_id IS NULL"),
        ),
        Index("uq_roles_domain_name", "domain_id", "name", unique=True),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_hex_id)
    name: Mapped[str]
    domain_id: Mapped[str | None] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    description: Mapped[str | None]
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)


class ImpliedRole(Base):
    """Who has the prior role also has the implied one."""

    __tablename__ = "implied_roles"

    prior_role_id: Mapped[str] = mapped_column(
        ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True
    )
    implied_role_id: Mapped[str] = mapped_column(
        ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True
    )


class RoleChange(Wish):
    """What may be said of a role."""

    name: Name255 = ""
    domain_id: Identifier | None = None
    description: Text | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class RoleWish(RoleChange):
    """A role to be made."""

    name: Name255


class NewRole(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid")
    role: RoleWish


class ChangedRole(BaseModel):
    """Body of an update."""

    model_config = ConfigDict(extra="forbid")
    role: RoleChange


LISTING = Listing(
    id=Role.id,
    columns={"id": Role.id, "name": Role.name},
    default_sort=[SortKey("name")],
    maximum=MAXIMUM_ROWS,
)


def closure(role_ids: Iterable[str], implied: Mapping[str, Iterable[str]]) -> set[str]:
    """The roles and all that they imply, directly or by others; circles do no harm."""
    reached: set[str] = set()
    waiting = list(role_ids)
    while waiting:
        role_id = waiting.pop()
        if role_id not in reached:
            reached.add(role_id)
            waiting.extend(implied.get(role_id, ()))
    return reached


_IMPLIED = select(ImpliedRole.prior_role_id, ImpliedRole.implied_role_id)


def implications(session: Session) -> dict[str, list[str]]:
    """Which roles each role implies directly; the whole (small) table."""
    found: dict[str, list[str]] = {}
    for prior, implied in session.execute(_IMPLIED):
        found.setdefault(prior, []).append(implied)
    return found


def wire(call: Call, role: Role) -> dict[str, Any]:
    """The role as the API shows it."""
    return {
        **role.extra,
        "id": role.id,
        "name": role.name,
        "domain_id": role.domain_id,
        "description": role.description,
        "options": role.options,
        "links": {"self": link(call, f"/roles/{role.id}")},
    }


def list_roles(call: Call) -> dict[str, Any]:
    """The roles of one domain, or (by default) those of the whole cloud."""
    domain_id = call.params.get("domain_id")
    statement = select(Role).where(
        Role.domain_id == domain_id if domain_id else Role.domain_id.is_(None)
    )
    return page(call, LISTING, statement, "roles", wire)


def show_role(call: Call, role_id: str) -> dict[str, Any]:
    """One role."""
    return {"role": wire(call, load(call.session, Role, "role", role_id))}


def create_role(call: Call, body: NewRole) -> dict[str, Any]:
    """Make a role."""
    wish = body.role
    if wish.domain_id is not None:
        load(call.session, Domain, "domain", wish.domain_id)
    _require_free_name(call.session, wish.domain_id, wish.name)
    role = Role(
        id=new_hex_id(),
        name=wish.name,
        domain_id=wish.domain_id,
        description=wish.description,
        options=merged_options({}, wish.options, OPTIONS),
        extra={},
    )
    keep_extra(role, wish)
    call.session.add(role)
    call.session.flush()
    call.audit("create", "role", role.id)
    return {"role": wire(call, role)}


def update_role(call: Call, role_id: str, body: ChangedRole) -> dict[str, Any]:
    """Change a role; a new name voids the tokens of those who hold it (tokens carry names)."""
    wish = body.role
    role = load_alone(call.session, Role, "role", role_id)
    options = wish.said("options").get("options")
    require_mutable("role", role_id, role.options, options)
    require_same(wish, domain_id=role.domain_id)
    said = wish.said("name", "description")
    if said.get("name", role.name) != role.name:
        _require_free_name(call.session, role.domain_id, wish.name)
        revoke_holders(call.session, call.now, _with_priors(call.session, role.id))
    for key, value in said.items():
        setattr(role, key, value)
    if options is not None:
        role.options = merged_options(role.options, options, OPTIONS)
    keep_extra(role, wish)
    call.session.flush()
    call.audit("update", "role", role.id)
    return {"role": wire(call, role)}


def delete_role(call: Call, role_id: str) -> Reply:
    """Remove a role from everyone who holds it; their tokens are void."""
    role = load_alone(call.session, Role, "role", role_id)
    require_mutable("role", role_id, role.options)
    revoke_holders(call.session, call.now, _with_priors(call.session, role.id))
    call.session.delete(role)
    call.audit("delete", "role", role_id)
    return Reply(status=204)


def _with_priors(session: Session, role_id: str) -> set[str]:
    """The role and all roles that lead to it."""
    priors: dict[str, list[str]] = {}
    for prior, implied in implications(session).items():
        for one in implied:
            priors.setdefault(one, []).append(prior)
    return closure([role_id], priors)


def _require_free_name(session: Session, domain_id: str | None, name: str) -> None:
    lock(session, "identity", "role")
    same_domain = Role.domain_id == domain_id if domain_id else Role.domain_id.is_(None)
    if session.scalar(select(Role.id).where(same_domain, Role.name == name)) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store role - Duplicate entry found with name {name}."
        )


def imply(session: Session, prior_role_id: str, implied_role_id: str) -> bool:
    """Let one role imply another; returns whether that is new.

    Raises:
        Forbidden: A domain's role would be implied by a role of the whole cloud.
    """
    implied = load(session, Role, "role", implied_role_id)
    prior = load(session, Role, "role", prior_role_id)
    if implied.domain_id is not None and prior.domain_id is None:
        raise Forbidden(
            f"Role {implied_role_id} of a domain cannot be implied by role {prior_role_id} of the "
            "whole cloud."
        )
    lock(session, "identity", "role")
    if session.get(ImpliedRole, (prior_role_id, implied_role_id)) is not None:
        return False
    session.add(ImpliedRole(prior_role_id=prior_role_id, implied_role_id=implied_role_id))
    session.flush()
    return True


def no_longer_imply(call: Call, prior_role_id: str, implied_role_id: str) -> None:
    """Undo ``imply``; tokens of those who held the implied role by it are void."""
    rule = call.session.get(ImpliedRole, (prior_role_id, implied_role_id))
    if rule is None:
        raise NotFound(f"Role {prior_role_id} does not imply role {implied_role_id}.")
    revoke_holders(call.session, call.now, _with_priors(call.session, prior_role_id))
    call.session.delete(rule)


ROUTES = Routes(VERSION)
add_read(ROUTES, "/roles", list_roles, policy="identity:list_roles")
add_read(ROUTES, "/roles/{role_id}", show_role, policy="identity:get_role")
ROUTES.add("POST", "/roles", create_role, policy="identity:create_role", status=201)
ROUTES.add("PATCH", "/roles/{role_id}", update_role, policy="identity:update_role")
ROUTES.add("DELETE", "/roles/{role_id}", delete_role, policy="identity:delete_role", status=204)
