"""All role assignments at once: ``GET /v3/role_assignments`` with its filters.

As they stand, or ``effective``: groups become their members, inherited roles count on the projects
below, and roles bring what they imply; each entry's link tells which assignment it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from freehold.access import Rule
from freehold.errors import BadRequest
from freehold.http import Call, Routes
from freehold.identity.assignment import (
    Assignment,
    Grant,
    counts_on_domain,
    counts_on_project,
    granted,
    held_by,
)
from freehold.identity.collection import add_read, boolean, collection, link, load
from freehold.identity.domain import Domain
from freehold.identity.group import Group, Membership
from freehold.identity.project import Project, ancestors, descendants
from freehold.identity.role import Role, closure, implications
from freehold.identity.user import User
from freehold.identity.version import VERSION

RULES = [
    Rule("identity:list_role_assignments", "rule:admin_required", "GET /v3/role_assignments"),
    Rule(
        "identity:list_role_assignments_for_tree",
        "rule:admin_required",
        "GET /v3/role_assignments?include_subtree",
    ),
]

MAX_NAMED = 1000
"""More ids than this are not put into a query: the whole table is read instead."""


@dataclass(frozen=True)
class Wanted:
    """The filters of a request."""

    user_id: str | None
    group_id: str | None
    role_id: str | None
    project_id: str | None
    domain_id: str | None
    system: bool
    inherited: bool | None
    effective: bool
    subtree: bool


@dataclass(frozen=True)
class Entry:
    """One line of the list: who has what where, and the assignment that it comes from."""

    what: Grant
    source: Grant

    @property
    def membership(self) -> str | None:
        """Path of the group membership that it comes from, if it does."""
        if self.source.group_id is None or self.what.user_id is None:
            return None
        return f"/groups/{self.source.group_id}/users/{self.what.user_id}"


def _flag(call: Call, name: str) -> bool:
    return name in call.params and boolean(call.params[name])


def _wanted(call: Call) -> Wanted:
    inherited = call.params.get("scope.OS-INHERIT:inherited_to")
    wanted = Wanted(
        user_id=call.params.get("user.id"),
        group_id=call.params.get("group.id"),
        role_id=call.params.get("role.id"),
        project_id=call.params.get("scope.project.id"),
        domain_id=call.params.get("scope.domain.id"),
        system="scope.system" in call.params,
        inherited=None if inherited is None else inherited == "projects",
        effective=_flag(call, "effective"),
        subtree=_flag(call, "include_subtree"),
    )
    if wanted.user_id and wanted.group_id:
        raise BadRequest("Specify a user or group, not both.")
    if sum((bool(wanted.project_id), bool(wanted.domain_id), wanted.system)) > 1:
        raise BadRequest("Specify one of project, domain and system.")
    if wanted.effective and wanted.group_id:
        raise BadRequest("Combining effective and group filter always gives an empty list.")
    if wanted.subtree and not wanted.project_id:
        raise BadRequest("scope.project.id must be specified if include_subtree is.")
    return wanted


def list_assignments(call: Call) -> dict[str, Any]:
    """Assignments by user, group, role and scope, as they stand or effective."""
    wanted = _wanted(call)
    if wanted.subtree:
        call.enforce("identity:list_role_assignments_for_tree")
    session = call.session
    entries = _effective(session, wanted) if wanted.effective else _standing(session, wanted)
    found = [entry for entry in entries if wanted.role_id in (None, entry.what.role_id)]
    names = _names(session, found) if _flag(call, "include_names") else None
    lines = [_wire(call, entry, names) for entry in dict.fromkeys(found)]
    return collection(call, "role_assignments", lines)


def _projects(session: Session, wanted: Wanted) -> list[Project]:
    assert wanted.project_id is not None
    project = load(session, Project, "project", wanted.project_id)
    if not wanted.subtree:
        return [project]
    below = descendants(session, [project.id])
    return [project, *session.scalars(select(Project).where(Project.id.in_(below)))]


def _standing(session: Session, wanted: Wanted) -> Iterator[Entry]:
    conditions: list[ColumnElement[bool]] = []
    for column, value in (
        (Assignment.user_id, wanted.user_id),
        (Assignment.group_id, wanted.group_id),
        (Assignment.domain_id, wanted.domain_id),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.project_id is not None:
        ids = [project.id for project in _projects(session, wanted)]
        conditions.append(Assignment.project_id.in_(ids))
    if wanted.system:
        conditions.append(Assignment.system.is_(True))
    if wanted.inherited is not None:
        conditions.append(Assignment.inherited.is_(wanted.inherited))
    for row in session.scalars(select(Assignment).where(*conditions).order_by(Assignment.key)):
        yield Entry(granted(row), granted(row))


def _effective(session: Session, wanted: Wanted) -> list[Entry]:
    projects = _projects(session, wanted) if wanted.project_id else None
    conditions: list[ColumnElement[bool]] = []
    if wanted.user_id is not None:
        conditions.append(held_by(wanted.user_id))
    if projects is not None:
        conditions.append(
            or_(
                *(
                    counts_on_project(
                        one.id, one.domain_id, [up.id for up in ancestors(session, one)]
                    )
                    for one in projects
                )
            )
        )
    if wanted.domain_id is not None:
        conditions.append(counts_on_domain(wanted.domain_id))
    if wanted.system:
        conditions.append(Assignment.system.is_(True))
    rows = session.scalars(select(Assignment).where(*conditions).order_by(Assignment.key)).all()
    entries = [Entry(granted(row), granted(row)) for row in rows]
    if wanted.inherited is not None:
        entries = [e for e in entries if e.source.inherited == wanted.inherited]
    entries = _members(session, entries, wanted.user_id)
    within = None if projects is None else {one.id for one in projects}
    return _implied(session, _inherited(session, entries, within))


def _members(session: Session, entries: list[Entry], user_id: str | None) -> list[Entry]:
    """Put the members in the place of each group."""
    groups = {entry.what.group_id for entry in entries if entry.what.group_id}
    members: dict[str, list[str]] = {}
    statement = select(Membership).where(Membership.group_id.in_(groups))
    for row in session.scalars(statement):
        if user_id in (None, row.user_id):
            members.setdefault(row.group_id, []).append(row.user_id)
    expanded = []
    for entry in entries:
        if entry.what.group_id is None:
            expanded.append(entry)
            continue
        for member in members.get(entry.what.group_id, ()):
            who = replace(entry.what, group_id=None, user_id=member)
            expanded.append(replace(entry, what=who))
    return expanded


def _inherited(session: Session, entries: list[Entry], within: set[str] | None) -> list[Entry]:
    """Put the projects below in the place of each target whose role is inherited."""
    below: dict[tuple[str | None, str | None], set[str]] = {}
    expanded = []
    for entry in entries:
        if not entry.what.inherited:
            expanded.append(entry)
            continue
        target = (entry.what.project_id, entry.what.domain_id)
        if target not in below:
            below[target] = _below(session, *target)
        ids = below[target] if within is None else below[target] & within
        for project_id in sorted(ids):
            what = replace(entry.what, project_id=project_id, domain_id=None)
            expanded.append(replace(entry, what=what))
    return expanded


def _below(session: Session, project_id: str | None, domain_id: str | None) -> set[str]:
    if project_id is not None:
        return descendants(session, [project_id])
    return set(session.scalars(select(Project.id).where(Project.domain_id == domain_id)))


def _implied(session: Session, entries: list[Entry]) -> list[Entry]:
    """Add what each role implies; a domain's own roles count only by what they imply."""
    rules = implications(session)
    own = set(session.scalars(select(Role.id).where(Role.domain_id.is_not(None))))
    return [
        replace(entry, what=replace(entry.what, role_id=role_id))
        for entry in entries
        for role_id in sorted(closure([entry.what.role_id], rules) - own)
    ]


def _names(session: Session, entries: Iterable[Entry]) -> dict[str, dict[str, Any]]:
    """What ``include_names`` adds, by id; a query a kind."""
    domains = {row.id: row.name for row in session.execute(select(Domain.id, Domain.name))}
    names: dict[str, dict[str, Any]] = {
        domain_id: {"id": domain_id, "name": name} for domain_id, name in domains.items()
    }
    seen = list(entries)
    for table, field in (
        (User, "user_id"),
        (Group, "group_id"),
        (Project, "project_id"),
        (Role, "role_id"),
    ):
        ids = {getattr(entry.what, field) for entry in seen} - {None}
        columns = select(table.id, table.name, table.domain_id)
        if len(ids) <= MAX_NAMED:
            columns = columns.where(table.id.in_(ids))
        for row_id, name, domain_id in session.execute(columns):
            entry: dict[str, Any] = {"id": row_id, "name": name}
            if domain_id is not None:
                entry["domain"] = {"id": domain_id, "name": domains[domain_id]}
            names[row_id] = entry
    return names


def _wire(call: Call, entry: Entry, names: dict[str, dict[str, Any]] | None) -> dict[str, Any]:
    def ref(row_id: str) -> dict[str, Any]:
        return {"id": row_id} if names is None else names[row_id]

    what = entry.what
    scope: dict[str, Any] = {}
    if what.project_id is not None:
        scope["project"] = ref(what.project_id)
    elif what.domain_id is not None:
        scope["domain"] = ref(what.domain_id)
    else:
        scope["system"] = {"all": True}
    if what.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    links = {"assignment": link(call, entry.source.path)}
    if entry.membership is not None:
        links["membership"] = link(call, entry.membership)
    if entry.what.role_id != entry.source.role_id:
        links["prior_role"] = link(call, f"/roles/{entry.source.role_id}")
    holder = {"user": ref(what.user_id)} if what.user_id else {"group": ref(what.group_id or "")}
    return {"role": ref(what.role_id), **holder, "scope": scope, "links": links}


ROUTES = Routes(VERSION)
add_read(ROUTES, "/role_assignments", list_assignments, policy="identity:list_role_assignments")
