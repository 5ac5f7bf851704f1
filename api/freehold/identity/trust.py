"""A trust: a user (the trustor) lets another (the trustee) act with their roles on a project.

The trustee logs in with the trust as the scope (``trust_login``), until it expires, is used up or
is deleted; there is no update. A trustee who may can hand it on (redelegation): the new trust then
stands on theirs and gives no more than that. Wire format: API reference, "OS-TRUST".
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Rule
from freehold.access.tokens import revoke
from freehold.errors import Forbidden, NotFound
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity import role as roles
from freehold.identity.assignment import held_on_project
from freehold.identity.attributes import (
    HasExtra,
    Identifier,
    Wish,
    expiry,
    keep_extra,
)
from freehold.identity.collection import MAXIMUM_ROWS, add_read, link, load, page
from freehold.identity.delegation import refuse_application_credential
from freehold.identity.redelegation import redelegations_left, require_within
from freehold.identity.role import Role, closure, implications
from freehold.identity.user import User
from freehold.identity.version import VERSION
from freehold.store import Base, new_hex_id

_TRUSTOR = "user_id:%(target.trust.trustor_user_id)s"
_TRUSTEE = "user_id:%(target.trust.trustee_user_id)s"
_OPERATOR = "rule:admin_required or (role:reader and system_scope:all)"
_PATH = "/v3/OS-TRUST/trusts"
RULES = [
    Rule("identity:create_trust", _TRUSTOR, f"POST {_PATH}"),
    Rule("identity:list_trusts", _OPERATOR, f"GET {_PATH}"),
    Rule(
        "identity:list_trusts_for_trustor",
        f"{_OPERATOR} or {_TRUSTOR}",
        f"GET {_PATH}?trustor_user_id={{trustor_user_id}}",
    ),
    Rule(
        "identity:list_trusts_for_trustee",
        f"{_OPERATOR} or {_TRUSTEE}",
        f"GET {_PATH}?trustee_user_id={{trustee_user_id}}",
    ),
    *(
        Rule(f"identity:{name}", f"{_OPERATOR} or {_TRUSTOR} or {_TRUSTEE}", f"GET {_PATH}{path}")
        for name, path in (
            ("get_trust", "/{trust_id}"),
            ("list_roles_for_trust", "/{trust_id}/roles"),
            ("get_role_for_trust", "/{trust_id}/roles/{role_id}"),
        )
    ),
    Rule(
        "identity:delete_trust",
        f"rule:admin_required or {_TRUSTOR}",
        f"DELETE {_PATH}/{{trust_id}}",
    ),
]


class Trust(HasExtra, Base):
    """One trust; goes with its trustor, its trustee, its project and the trust that it stands on.

    Attributes:
        remaining_uses: How many more tokens it gives; None for any number.
        redelegation_count: How many more times it may be handed on.
        redelegated_trust_id: The trust that it stands on.
    """

    __tablename__ = "trusts"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_hex_id)
    trustor_user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    trustee_user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    project_id: Mapped[str] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    impersonation: Mapped[bool]
    role_ids: Mapped[list[str]]
    expires_at: Mapped[datetime | None]
    remaining_uses: Mapped[int | None]
    redelegation_count: Mapped[int]
    redelegated_trust_id: Mapped[str | None] = mapped_column(
        ForeignKey("trusts.id", ondelete="CASCADE"), index=True
    )

    def is_over(self, now: datetime) -> bool:
        """Whether it gives no more tokens."""
        expired = self.expires_at is not None and self.expires_at <= now
        return expired or self.remaining_uses == 0


class RoleRef(BaseModel):
    """A role by id, or one of all domains by name."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: Identifier | None = None
    name: Identifier | None = None

    @model_validator(mode="after")
    def _one(self) -> RoleRef:
        if (self.id is None) == (self.name is None):
            raise ValueError("name a role by id or by name")
        return self


Uses = Annotated[int, Field(ge=1, le=2**31 - 1)]
Depth = Annotated[int, Field(ge=0, le=2**31 - 1)]


class TrustWish(Wish):
    """A trust to be made."""

    trustor_user_id: Identifier
    trustee_user_id: Identifier
    impersonation: bool
    project_id: Identifier
    roles: list[RoleRef] = Field(default_factory=list, max_length=64)
    expires_at: str | None = None
    remaining_uses: Uses | None = None
    allow_redelegation: bool | None = None
    redelegation_count: Depth | None = None


class NewTrust(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid")
    trust: TrustWish


LISTING = Listing(
    id=Trust.id,
    columns={
        "id": Trust.id,
        "trustor_user_id": Trust.trustor_user_id,
        "trustee_user_id": Trust.trustee_user_id,
        "project_id": Trust.project_id,
    },
    default_sort=[SortKey("id")],
    maximum=MAXIMUM_ROWS,
)


def summary(call: Call, trust: Trust) -> dict[str, Any]:
    """The trust as lists show it, without its roles."""
    ends = trust.expires_at
    return {
        **trust.extra,
        "id": trust.id,
        "trustor_user_id": trust.trustor_user_id,
        "trustee_user_id": trust.trustee_user_id,
        "project_id": trust.project_id,
        "impersonation": trust.impersonation,
        "expires_at": f"{ends.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
        if ends
        else None,
        "remaining_uses": trust.remaining_uses,
        "redelegation_count": trust.redelegation_count,
        "redelegated_trust_id": trust.redelegated_trust_id,
        "deleted_at": None,
        "links": {"self": link(call, f"/OS-TRUST/trusts/{trust.id}")},
    }


def wire(call: Call, trust: Trust) -> dict[str, Any]:
    """The trust with its roles; one that was deleted since is left out."""
    shown = _roles(call, trust)
    return {**summary(call, trust), "roles": shown["roles"], "roles_links": shown["links"]}


def _roles(call: Call, trust: Trust) -> dict[str, Any]:
    rows = call.session.scalars(
        select(Role).where(Role.id.in_(trust.role_ids)).order_by(Role.name, Role.id)
    )
    place = link(call, f"/OS-TRUST/trusts/{trust.id}/roles")
    return {
        "roles": [roles.wire(call, role) for role in rows],
        "links": {"self": place, "previous": None, "next": None},
    }


def list_trusts(call: Call) -> dict[str, Any]:
    """Trusts, those that are over too; filters trustor_user_id, trustee_user_id, project_id."""
    trustor, trustee = call.params.get("trustor_user_id"), call.params.get("trustee_user_id")
    if trustor:
        about = {"target.trust.trustor_user_id": trustor}
        call.enforce("identity:list_trusts_for_trustor", about)
    elif trustee:
        about = {"target.trust.trustee_user_id": trustee}
        call.enforce("identity:list_trusts_for_trustee", about)
    else:
        call.enforce("identity:list_trusts")
    refuse_application_credential(call)
    return page(call, LISTING, select(Trust), "trusts", summary)


def show_trust(call: Call, trust_id: str) -> dict[str, Any]:
    """One trust that is not over."""
    return {"trust": wire(call, _current(call, trust_id, "identity:get_trust"))}


def list_roles(call: Call, trust_id: str) -> dict[str, Any]:
    """The roles that a trust gives."""
    return _roles(call, _current(call, trust_id, "identity:list_roles_for_trust"))


def show_role(call: Call, trust_id: str, role_id: str) -> dict[str, Any]:
    """One of these roles."""
    trust = _current(call, trust_id, "identity:get_role_for_trust")
    if role_id not in trust.role_ids:
        raise NotFound(f"Could not find role: {role_id}.")
    return {"role": roles.wire(call, load(call.session, Role, "role", role_id))}


def create_trust(call: Call, body: NewTrust) -> dict[str, Any]:
    """Make a trust; only the trustor does, or a trustee who hands on what they were given."""
    wish = body.trust
    about = {"target.trust.trustor_user_id": wish.trustor_user_id}
    call.enforce("identity:create_trust", about)
    refuse_application_credential(call)
    if call.caller.user_id != wish.trustor_user_id:
        raise Forbidden("The authenticated user should match the trustor.")
    if not wish.roles:
        raise Forbidden("At least one role should be specified.")
    load(call.session, User, "user", wish.trustor_user_id)
    load(call.session, User, "user", wish.trustee_user_id)
    parent = None
    if call.caller.trust is not None:
        parent = load(call.session, Trust, "trust", call.caller.trust.trust_id)
    trust = Trust(
        id=new_hex_id(),
        trustor_user_id=wish.trustor_user_id,
        trustee_user_id=wish.trustee_user_id,
        project_id=wish.project_id,
        impersonation=wish.impersonation,
        role_ids=_role_ids(call.session, wish, original_trustor(call.session, parent)),
        expires_at=expiry(wish.expires_at, call.now) or (parent.expires_at if parent else None),
        remaining_uses=wish.remaining_uses,
        redelegation_count=redelegations_left(wish, parent),
        redelegated_trust_id=parent.id if parent else None,
        extra={},
    )
    if parent is not None:
        require_within(trust, parent)
    keep_extra(trust, wish)
    call.session.add(trust)
    call.session.flush()
    call.audit("create", "trust", trust.id, trustee_user_id=trust.trustee_user_id)
    return {"trust": wire(call, trust)}


def delete_trust(call: Call, trust_id: str) -> Reply:
    """Remove a trust, also one that is over, with all that stand on it; their tokens are void."""
    trust = _visible(call, trust_id, "identity:get_trust")
    call.enforce("identity:delete_trust", _about(trust))
    revoke(call.session, call.now, trust_id=trust.id)
    call.session.delete(trust)
    call.audit("delete", "trust", trust_id)
    return Reply(status=204)


def chain(session: Session, trust: Trust) -> list[Trust]:
    """The trust and those that it stands on, the first of them last."""
    found = [trust]
    while (below := found[-1].redelegated_trust_id) is not None:
        found.append(load(session, Trust, "trust", below))
    return found


def original_trustor(session: Session, trust: Trust | None) -> str | None:
    """Whose roles a trust gives in the end."""
    return None if trust is None else chain(session, trust)[-1].trustor_user_id


def _role_ids(session: Session, wish: TrustWish, original: str | None) -> list[str]:
    """The roles that were asked for, which their owner has by now on the project.

    Raises:
        NotFound: One that they do not have; a project where they have none is as one that is not.
    """
    owner = original or wish.trustor_user_id
    held = closure(held_on_project(session, owner, wish.project_id), implications(session))
    if not held:
        raise NotFound(f"Could not find project: {wish.project_id}.")
    rows = session.scalars(select(Role).where(Role.id.in_(held))).all()
    known = {role.name: role.id for role in rows if role.domain_id is None}
    chosen = set()
    for ref in wish.roles:
        role_id = ref.id if ref.id is not None else known.get(ref.name or "")
        if role_id not in held:
            raise NotFound(f"Could not find role: {ref.id or ref.name}.")
        chosen.add(role_id)
    return sorted(chosen)


def _about(trust: Trust | None) -> dict[str, Any]:
    return {
        "target.trust.trustor_user_id": trust.trustor_user_id if trust else None,
        "target.trust.trustee_user_id": trust.trustee_user_id if trust else None,
    }


def _visible(call: Call, trust_id: str, rule: str) -> Trust:
    """The trust; one that the caller has no part in is answered as one that is not."""
    refuse_application_credential(call)
    trust = call.session.get(Trust, trust_id)
    if trust is None or not call.may(rule, _about(trust)):
        raise NotFound(f"Could not find trust: {trust_id}.")
    return trust


def _current(call: Call, trust_id: str, rule: str) -> Trust:
    """The same, and it is not over (as keystone has it)."""
    trust = _visible(call, trust_id, rule)
    if trust.is_over(call.now):
        raise NotFound(f"Could not find trust: {trust_id}.")
    return trust


ROUTES = Routes(VERSION)
_ALL = "/OS-TRUST/trusts"
_ONE = "/OS-TRUST/trusts/{trust_id}"
add_read(ROUTES, _ALL, list_trusts, policy="logged_in")
# Tempest asks for the list so, and keystone heeds no slash at the end.
add_read(ROUTES, f"{_ALL}/", list_trusts, policy="logged_in")
add_read(ROUTES, _ONE, show_trust, policy="logged_in")
add_read(ROUTES, f"{_ONE}/roles", list_roles, policy="logged_in")
add_read(ROUTES, f"{_ONE}/roles/{{role_id}}", show_role, policy="logged_in")
ROUTES.add("POST", _ALL, create_trust, policy="logged_in", status=201)
ROUTES.add("DELETE", _ONE, delete_trust, policy="logged_in", status=204)
