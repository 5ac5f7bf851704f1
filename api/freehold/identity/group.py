"""A group: users that are given roles together."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Rule
from freehold.access.tokens import revoke
from freehold.errors import Conflict, NotFound
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity import user as users
from freehold.identity.attributes import (
    HasExtra,
    Identifier,
    Name64,
    Text,
    Wish,
    keep_extra,
    require_same,
)
from freehold.identity.collection import MAXIMUM_ROWS, add_read, link, load, load_alone, page
from freehold.identity.domain import DEFAULT_DOMAIN, Domain
from freehold.identity.user import User
from freehold.identity.version import VERSION
from freehold.store import Base, lock, new_hex_id

RULES = [
    Rule(f"identity:{name}", check, described)
    for name, check, described in (
        ("get_group", "rule:admin_required", "GET /v3/groups/{group_id}"),
        ("list_groups", "rule:admin_required", "GET /v3/groups"),
        (
            "list_groups_for_user",
            "rule:admin_required or user_id:%(target.user.id)s",
            "GET /v3/users/{user_id}/groups",
        ),
        ("create_group", "rule:admin_required", "POST /v3/groups"),
        ("update_group", "rule:admin_required", "PATCH /v3/groups/{group_id}"),
        ("delete_group", "rule:admin_required", "DELETE /v3/groups/{group_id}"),
        ("list_users_in_group", "rule:admin_required", "GET /v3/groups/{group_id}/users"),
        (
            "check_user_in_group",
            "rule:admin_required or user_id:%(target.user.id)s",
            "HEAD /v3/groups/{group_id}/users/{user_id}",
        ),
        ("add_user_to_group", "rule:admin_required", "PUT /v3/groups/{group_id}/users/{user_id}"),
        (
            "remove_user_from_group",
            "rule:admin_required",
            "DELETE /v3/groups/{group_id}/users/{user_id}",
        ),
    )
]


class Group(HasExtra, Base):
    """One group."""

    __tablename__ = "groups"
    __table_args__ = (UniqueConstraint("domain_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_hex_id)
    domain_id: Mapped[str] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    name: Mapped[str]
    description: Mapped[str | None]


class Membership(Base):
    """A user in a group."""

    __tablename__ = "group_members"

    group_id: Mapped[str] = mapped_column(
        ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class GroupChange(Wish):
    """What may be said of a group."""

    name: Name64 = ""
    domain_id: Identifier | None = None
    description: Text | None = None


class GroupWish(GroupChange):
    """A group to be made."""

    name: Name64


class NewGroup(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid")
    group: GroupWish


class ChangedGroup(BaseModel):
    """Body of an update."""

    model_config = ConfigDict(extra="forbid")
    group: GroupChange


LISTING = Listing(
    id=Group.id,
    columns={"id": Group.id, "name": Group.name, "domain_id": Group.domain_id},
    default_sort=[SortKey("name")],
    maximum=MAXIMUM_ROWS,
)


def wire(call: Call, group: Group) -> dict[str, Any]:
    """The group as the API shows it."""
    return {
        **group.extra,
        "id": group.id,
        "name": group.name,
        "domain_id": group.domain_id,
        "description": group.description or "",
        "links": {"self": link(call, f"/groups/{group.id}")},
    }


def list_groups(call: Call) -> dict[str, Any]:
    """All groups; filters name, domain_id."""
    return page(call, LISTING, select(Group), "groups", wire)


def list_groups_for_user(call: Call, user_id: str) -> dict[str, Any]:
    """The groups that a user is in."""
    call.enforce("identity:list_groups_for_user", {"target.user.id": user_id})
    load(call.session, User, "user", user_id)
    statement = select(Group).join(Membership).where(Membership.user_id == user_id)
    return page(call, LISTING, statement, "groups", wire)


def show_group(call: Call, group_id: str) -> dict[str, Any]:
    """One group."""
    return {"group": wire(call, load(call.session, Group, "group", group_id))}


def create_group(call: Call, body: NewGroup) -> dict[str, Any]:
    """Make a group."""
    wish = body.group
    domain_id = wish.domain_id or call.caller.scope.domain_id or DEFAULT_DOMAIN
    load(call.session, Domain, "domain", domain_id)
    _require_free_name(call.session, domain_id, wish.name)
    group = Group(
        id=new_hex_id(),
        domain_id=domain_id,
        name=wish.name,
        description=wish.description,
        extra={},
    )
    keep_extra(group, wish)
    call.session.add(group)
    call.session.flush()
    call.audit("create", "group", group.id)
    return {"group": wire(call, group)}


def update_group(call: Call, group_id: str, body: ChangedGroup) -> dict[str, Any]:
    """Change a group's name, description or extra attributes."""
    wish = body.group
    group = load_alone(call.session, Group, "group", group_id)
    require_same(wish, domain_id=group.domain_id)
    said = wish.said("name", "description")
    if said.get("name", group.name) != group.name:
        _require_free_name(call.session, group.domain_id, wish.name)
    for key, value in said.items():
        setattr(group, key, value)
    keep_extra(group, wish)
    call.session.flush()
    call.audit("update", "group", group.id)
    return {"group": wire(call, group)}


def delete_group(call: Call, group_id: str) -> Reply:
    """Remove a group; its members' tokens are void, since roles may have come from it."""
    group = load(call.session, Group, "group", group_id)
    revoke_members(call, group.id)
    call.session.delete(group)
    call.audit("delete", "group", group_id)
    return Reply(status=204)


def revoke_members(call: Call, group_id: str, project_id: str | None = None) -> None:
    """Void the tokens of all that are in a group (only those for a project, if one is named)."""
    members = select(Membership.user_id).where(Membership.group_id == group_id)
    for user_id in call.session.scalars(members).all():
        revoke(call.session, call.now, user_id=user_id, project_id=project_id)


def list_members(call: Call, group_id: str) -> dict[str, Any]:
    """The users of a group."""
    load(call.session, Group, "group", group_id)
    statement = select(User).join(Membership).where(Membership.group_id == group_id)
    return page(call, users.LISTING, statement, "users", users.wire)


def check_member(call: Call, group_id: str, user_id: str) -> Reply:
    """Whether a user is in a group."""
    call.enforce("identity:check_user_in_group", {"target.user.id": user_id})
    _membership(call, group_id, user_id)
    return Reply(status=204)


def add_member(call: Call, group_id: str, user_id: str) -> Reply:
    """Put a user into a group; nothing changes for one that is in it."""
    load(call.session, Group, "group", group_id)
    load(call.session, User, "user", user_id)
    lock(call.session, "identity", "membership", group_id, user_id)
    call.session.merge(Membership(group_id=group_id, user_id=user_id))
    call.audit("add_user", "group", group_id, user_id=user_id)
    return Reply(status=204)


def remove_member(call: Call, group_id: str, user_id: str) -> Reply:
    """Take a user out of a group; their tokens are void."""
    call.session.delete(_membership(call, group_id, user_id))
    revoke(call.session, call.now, user_id=user_id)
    call.audit("remove_user", "group", group_id, user_id=user_id)
    return Reply(status=204)


def _membership(call: Call, group_id: str, user_id: str) -> Membership:
    load(call.session, Group, "group", group_id)
    load(call.session, User, "user", user_id)
    member = call.session.get(Membership, (group_id, user_id))
    if member is None:
        raise NotFound(f"Could not find user {user_id} in group {group_id}.")
    return member


def _require_free_name(session: Session, domain_id: str, name: str) -> None:
    lock(session, "identity", "group", domain_id)
    taken = select(Group.id).where(Group.domain_id == domain_id, Group.name == name)
    if session.scalar(taken) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store group - Duplicate entry found with name {name} "
            f"at domain ID {domain_id}."
        )


ROUTES = Routes(VERSION)
_MEMBER = "/groups/{group_id}/users/{user_id}"
add_read(ROUTES, "/groups", list_groups, policy="identity:list_groups")
add_read(ROUTES, "/groups/{group_id}", show_group, policy="identity:get_group")
add_read(ROUTES, "/users/{user_id}/groups", list_groups_for_user, policy="logged_in")
ROUTES.add("POST", "/groups", create_group, policy="identity:create_group", status=201)
ROUTES.add("PATCH", "/groups/{group_id}", update_group, policy="identity:update_group")
ROUTES.add("DELETE", "/groups/{group_id}", delete_group, policy="identity:delete_group", status=204)
add_read(ROUTES, "/groups/{group_id}/users", list_members, policy="identity:list_users_in_group")
add_read(ROUTES, _MEMBER, check_member, policy="logged_in", status=204)
ROUTES.add("PUT", _MEMBER, add_member, policy="identity:add_user_to_group", status=204)
ROUTES.add("DELETE", _MEMBER, remove_member, policy="identity:remove_user_from_group", status=204)
