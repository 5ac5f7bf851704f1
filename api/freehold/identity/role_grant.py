"""Giving and taking roles: ``/v3/{projects,domains}/…/{users,groups}/…/roles`` and ``/v3/system``.

The many paths are one table: a target, a holder, and whether the role is inherited by the projects
below (OS-INHERIT). Handlers are made for each, since the path alone tells which it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from freehold.access import Rule
from freehold.errors import NotFound
from freehold.http import Call, Reply, Routes
from freehold.identity import role as roles
from freehold.identity.assignment import Assignment, Grant, grant, withdraw
from freehold.identity.collection import add_read, collection, load
from freehold.identity.domain import Domain
from freehold.identity.group import Group
from freehold.identity.project import Project
from freehold.identity.role import Role
from freehold.identity.user import User
from freehold.identity.version import VERSION

RULES = [
    Rule(f"identity:{verb}_grant{plural}", "rule:admin_required", described)
    for verb, plural, described in (
        ("check", "", "GET, HEAD …/roles/{role_id}"),
        ("list", "s", "GET …/roles"),
        ("create", "", "PUT …/roles/{role_id}"),
        ("revoke", "", "DELETE …/roles/{role_id}"),
    )
]

TABLES: dict[str, type[Any]] = {
    "project_id": Project,
    "domain_id": Domain,
    "user_id": User,
    "group_id": Group,
}


@dataclass(frozen=True)
class Place:
    """One family of paths.

    Attributes:
        target: ``project_id``, ``domain_id``, or None for the system.
        holder: ``user_id`` or ``group_id``.
        inherited: Whether the role counts on the projects below instead.
    """

    target: str | None
    holder: str
    inherited: bool = False

    @property
    def path(self) -> str:
        """The collection's path."""
        start = "/OS-INHERIT" if self.inherited else ""
        target = "/system"
        if self.target is not None:
            target = f"/{self.target.removesuffix('_id')}s/{{{self.target}}}"
        return f"{start}{target}/{self.holder.removesuffix('_id')}s/{{{self.holder}}}/roles"

    @property
    def end(self) -> str:
        """What stands behind the path of one role."""
        return "/inherited_to_projects" if self.inherited else ""

    @property
    def ids(self) -> list[str]:
        """Path parameters of the collection."""
        return [name for name in (self.target, self.holder) if name is not None]


PLACES = [
    *(
        Place(target, holder, inherited)
        for inherited in (False, True)
        for target in ("project_id", "domain_id")
        for holder in ("user_id", "group_id")
    ),
    Place(None, "user_id"),
    Place(None, "group_id"),
]


def _grant(call: Call, place: Place, ids: dict[str, str]) -> Grant:
    """The assignment that a path names; everything in it must exist."""
    for name in place.ids:
        load(call.session, TABLES[name], name.removesuffix("_id"), ids[name])
    load(call.session, Role, "role", ids["role_id"])
    return Grant(**ids, system=place.target is None, inherited=place.inherited)


def _put(place: Place) -> Callable[..., Reply]:
    def give_role(call: Call, **ids: str) -> Reply:
        """Give a role; giving it again changes nothing."""
        wanted = _grant(call, place, ids)
        if grant(call.session, wanted):
            call.audit("create", "role_assignment", wanted.key)
        return Reply(status=204)

    return give_role


def _delete(place: Place) -> Callable[..., Reply]:
    def take_role(call: Call, **ids: str) -> Reply:
        """Take a role away; tokens that carry it are void."""
        unwanted = _grant(call, place, ids)
        if not withdraw(call.session, call.now, unwanted):
            raise _missing(ids)
        call.audit("delete", "role_assignment", unwanted.key)
        return Reply(status=204)

    return take_role


def _check(place: Place) -> Callable[..., Reply]:
    def check_role(call: Call, **ids: str) -> Reply:
        """Whether the role is given there, as it stands (groups and implied roles aside)."""
        if call.session.get(Assignment, _grant(call, place, ids).key) is None:
            raise _missing(ids)
        return Reply(status=204)

    return check_role


def _list(place: Place) -> Callable[..., dict[str, Any]]:
    def list_roles_given(call: Call, **ids: str) -> dict[str, Any]:
        """The roles given there."""
        for name in place.ids:
            load(call.session, TABLES[name], name.removesuffix("_id"), ids[name])
        statement = (
            select(Role)
            .join(Assignment, Assignment.role_id == Role.id)
            .where(
                Assignment.system.is_(place.target is None),
                Assignment.inherited.is_(place.inherited),
                *(getattr(Assignment, name) == ids[name] for name in place.ids),
            )
            .order_by(Role.name)
        )
        rows = call.session.scalars(statement).all()
        return collection(call, "roles", [roles.wire(call, role) for role in rows])

    return list_roles_given


def _missing(ids: dict[str, str]) -> NotFound:
    holder = ids.get("user_id") or ids.get("group_id")
    return NotFound(f"Could not find role assignment with role: {ids['role_id']} of {holder}.")


def _with_path(function: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    """Give a handler a signature that names its path parameters, and a name of its own."""
    function.__name__ += "".join(f"_{name.removesuffix('_id')}" for name in names)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("call", kind, annotation=Call)]
    parameters += [inspect.Parameter(name, kind, annotation=str) for name in names]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


def _routes() -> Routes:
    table = Routes(VERSION)
    for place in PLACES:
        one = f"{place.path}/{{role_id}}{place.end}"
        names = [*place.ids, "role_id"]
        check = _with_path(_check(place), names)
        add_read(table, one, check, policy="identity:check_grant", status=204)
        put = _with_path(_put(place), names)
        table.add("PUT", one, put, policy="identity:create_grant", status=204)
        delete = _with_path(_delete(place), names)
        table.add("DELETE", one, delete, policy="identity:revoke_grant", status=204)
        listed = _with_path(_list(place), place.ids)
        add_read(table, place.path + place.end, listed, policy="identity:list_grants")
    return table


ROUTES = _routes()
