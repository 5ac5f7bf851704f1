"""Security groups: what may reach a port and leave it. Each project has one called ``default``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from freehold.access import Limit, Rule, hold, require_room
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Listing, Routes, SortKey
from freehold.jobs import Converged
from freehold.network.collection import boolean, listed, one
from freehold.network.quota import DEFAULTS, used
from freehold.network.request import Named, Owned, Strict
from freehold.network.security_group_rule import SecurityGroupRule, rule_wire
from freehold.network.standard import (
    Standard,
    converge,
    find,
    fresh,
    own_or,
    owner,
    remove,
    want_network,
)
from freehold.network.tag import forget_tags, tags_of
from freehold.store import Base, lock

DEFAULT = "default"
CONVERGED = frozenset({"name", "stateful"})
"""What of a group the machine has to know, besides its rules."""
RULES = [
    Rule("create_security_group", "rule:admin_or_member", "POST /security-groups"),
    Rule("get_security_group", "rule:admin_or_reader", "GET /security-groups"),
    Rule("update_security_group", "rule:admin_or_member", "PUT /security-groups/{id}"),
    Rule("delete_security_group", "rule:admin_or_member", "DELETE /security-groups/{id}"),
]


class PortGroup(Base):
    """A port is filtered by a security group."""

    __tablename__ = "port_security_groups"

    port_id: Mapped[str] = mapped_column(
        ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True
    )
    security_group_id: Mapped[str] = mapped_column(primary_key=True, index=True)


class SecurityGroup(Standard, Converged, Base):
    """One group.

    Attributes:
        default_of: The project whose default it is; unique, so that a project has one.
    """

    __tablename__ = "security_groups"

    stateful: Mapped[bool] = mapped_column(default=True)
    default_of: Mapped[str | None] = mapped_column(unique=True)

    rules: Mapped[list[SecurityGroupRule]] = relationship(
        SecurityGroupRule,
        lazy="selectin",
        order_by=SecurityGroupRule.id,
        cascade="all, delete-orphan",
    )

    __table_args__ = (Index("ix_security_groups_unsettled", "satisfied", "generation"),)


class GroupChange(Named):
    """Body of PUT."""

    stateful: bool = True


class GroupWish(GroupChange, Owned):
    """Body of POST."""


class NewGroup(Strict):
    """The whole body of POST."""

    security_group: GroupWish


class ChangedGroup(Strict):
    """The whole body of PUT."""

    security_group: GroupChange


LISTING = Listing(
    id=SecurityGroup.id,
    columns={
        "id": SecurityGroup.id,
        "name": SecurityGroup.name,
        "project_id": SecurityGroup.project_id,
        "description": SecurityGroup.description,
        "stateful": SecurityGroup.stateful,
        "created_at": SecurityGroup.created_at,
        "updated_at": SecurityGroup.updated_at,
    },
    parsers={"stateful": boolean},
    default_sort=(SortKey("id"),),
)


def wire(group: SecurityGroup) -> dict[str, Any]:
    """One group with its rules in its wire form."""
    return group.standard_wire() | {
        "stateful": group.stateful,
        "shared": False,
        "security_group_rules": [rule_wire(rule) for rule in group.rules],
    }


def views(call: Call, rows: Sequence[SecurityGroup]) -> list[dict[str, Any]]:
    """Groups in their wire form."""
    tags = tags_of(call.session, [row.id for row in rows])
    return [wire(row) | {"tags": tags.get(row.id, [])} for row in rows]


def make_group(
    session: Session, project_id: str, now: datetime, *, name: str, **columns: Any
) -> SecurityGroup:
    """A new group with what every group has: everything may leave."""
    group = SecurityGroup(
        project_id=project_id,
        name=name,
        **fresh(now),
        rules=[
            SecurityGroupRule.of(project_id, now, direction="egress", ethertype=version)
            for version in ("IPv4", "IPv6")
        ],
        **columns,
    )
    session.add(group)
    session.flush()
    return group


def default_group_id(session: Session, project_id: str, now: datetime) -> str:
    """The project's default group, made on first use: its members may talk to each other."""
    statement = select(SecurityGroup.id).where(SecurityGroup.default_of == project_id)
    if (found := session.scalar(statement)) is not None:
        return found
    lock(session, "default security group", project_id)
    if (found := session.scalar(statement)) is not None:
        return found
    group = make_group(
        session,
        project_id,
        now,
        name=DEFAULT,
        description="Default security group",
        stateful=True,
        default_of=project_id,
    )
    group.rules += [
        SecurityGroupRule.of(
            project_id, now, direction="ingress", ethertype=version, remote_group_id=group.id
        )
        for version in ("IPv4", "IPv6")
    ]
    session.flush()
    want_network(session, now)
    return group.id


def _with_default(call: Call) -> None:
    """Make the caller's default group before it is looked for, in a transaction of its own."""
    project_id = call.caller.project_id
    known = select(SecurityGroup.id).where(SecurityGroup.default_of == project_id)
    if project_id is None or call.session.execute(known).first() is not None:
        return
    call.session.rollback()
    call.store.transact(lambda session: default_group_id(session, project_id, call.now))


def list_groups(call: Call) -> dict[str, Any]:
    """The caller's groups."""
    _with_default(call)
    mine = own_or(call.caller, SecurityGroup.project_id)
    statement = select(SecurityGroup).where(SecurityGroup.removed.is_(False), mine)
    return listed(call, "security_groups", LISTING, statement, views)


def groups_of_project(call: Call, *, everybody: bool = False) -> list[dict[str, Any]]:
    """All groups of the caller's own project, for the compute room's old views.

    Args:
        everybody: Those of all projects, which the compute room's policy decided.
    """
    _with_default(call)
    statement = select(SecurityGroup).where(SecurityGroup.removed.is_(False))
    if not everybody:
        statement = statement.where(SecurityGroup.project_id == call.caller.project_id)
    ordered = statement.order_by(SecurityGroup.name, SecurityGroup.id)
    return [wire(group) for group in call.session.scalars(ordered)]


def show_group(call: Call, group_id: str) -> dict[str, Any]:
    """One group."""
    return {"security_group": one(call, views, _mine(call, group_id))}


def _mine(call: Call, group_id: str) -> SecurityGroup:
    return find(
        call.session, SecurityGroup, group_id, own_or(call.caller, SecurityGroup.project_id)
    )


def create_group(call: Call, body: NewGroup) -> dict[str, Any]:
    """Make a group."""
    wish = body.security_group
    project_id = owner(call, wish, "create_security_group")
    default_group_id(call.session, project_id, call.now)
    if wish.name == DEFAULT:
        raise Conflict(
            "Default security group already exists.", kind="SecurityGroupDefaultAlreadyExists"
        )
    hold(call.session, project_id, "network")
    room = [Limit("security_group", used(call.session, SecurityGroup, project_id))]
    require_room(call.session, project_id, "network", DEFAULTS, room)
    group = make_group(
        call.session,
        project_id,
        call.now,
        name=wish.name,
        description=wish.description,
        stateful=wish.stateful,
    )
    want_network(call.session, call.now)
    call.audit("create", "security_group", group.id)
    return {"security_group": views(call, [group])[0]}


def update_group(call: Call, group_id: str, body: ChangedGroup) -> dict[str, Any]:
    """Rename a group or change how it filters."""
    group = _mine(call, group_id)
    call.enforce("update_security_group", {"project_id": group.project_id})
    said = body.security_group.said("name", "description", "stateful")
    name = said.get("name", group.name)
    if group.default_of is not None and name != DEFAULT:
        raise Conflict(
            "Updating default security group not allowed.", kind="SecurityGroupCannotUpdateDefault"
        )
    if group.default_of is None and name == DEFAULT:
        raise Conflict(
            "Default security group already exists.", kind="SecurityGroupDefaultAlreadyExists"
        )
    if said.get("stateful", group.stateful) != group.stateful and is_used(call.session, group.id):
        raise Conflict(f"Security Group {group.id} in use.", kind="SecurityGroupInUse")
    changed = group.apply(said)
    if changed:
        group.touch(call.now)
    if changed & CONVERGED:
        converge(call.session, group, call.now)
    call.audit("update", "security_group", group.id)
    return {"security_group": views(call, [group])[0]}


def delete_group(call: Call, group_id: str) -> None:
    """Remove a group that no port is filtered by."""
    group = _mine(call, group_id)
    call.enforce("delete_security_group", {"project_id": group.project_id})
    if group.default_of and not call.caller.is_admin:
        raise Conflict(
            "Insufficient rights for removing default security group.",
            kind="SecurityGroupCannotRemoveDefault",
        )
    if is_used(call.session, group.id):
        raise Conflict(f"Security Group {group.id} in use.", kind="SecurityGroupInUse")
    group.default_of = None
    group.rules.clear()
    remote = select(SecurityGroupRule).where(SecurityGroupRule.remote_group_id == group.id)
    for rule in call.session.scalars(remote).all():
        drop_rule(call.session, rule, call.now)
    forget_tags(call.session, group.id)
    remove(call.session, group, call.now)
    call.audit("delete", "security_group", group.id)


def is_used(session: Session, group_id: str) -> bool:
    """Whether a port is filtered by the group."""
    statement = select(PortGroup.port_id).where(PortGroup.security_group_id == group_id)
    return session.execute(statement.limit(1)).first() is not None


def drop_rule(session: Session, rule: SecurityGroupRule, now: datetime) -> None:
    """Take a rule out of its group."""
    group = session.get_one(SecurityGroup, rule.security_group_id)
    session.delete(rule)
    session.flush()
    session.expire(group, ["rules"])
    group.touch(now)
    converge(session, group, now)


def require_groups(session: Session, project_id: str, names: list[str]) -> list[str]:
    """Ids of a project's groups, each named by id or by name.

    Raises:
        BadRequest: A name that is unknown or stands for several.
    """
    ids = []
    for name in names:
        rows = session.scalars(
            select(SecurityGroup.id).where(
                SecurityGroup.project_id == project_id,
                SecurityGroup.removed.is_(False),
                (SecurityGroup.id == name) | (SecurityGroup.name == name),
            )
        ).all()
        if len(rows) != 1:
            said = "not found" if not rows else "not unique: use an ID"
            raise BadRequest(f"Security group {name} {said}.")
        ids.append(rows[0])
    return ids


def routes(table: Routes) -> None:
    """Add the routes of security groups."""
    path = "/security-groups"
    table.add("GET", path, list_groups, policy="get_security_group")
    table.add("POST", path, create_group, policy="create_security_group", status=201)
    table.add("GET", path + "/{group_id}", show_group, policy="get_security_group")
    table.add("PUT", path + "/{group_id}", update_group, policy="update_security_group")
    table.add(
        "DELETE", path + "/{group_id}", delete_group, policy="delete_security_group", status=204
    )
