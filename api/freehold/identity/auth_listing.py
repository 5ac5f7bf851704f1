"""Where one may go: ``/v3/auth/{projects,domains,system,catalog}``, and a user's projects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from freehold.access import Rule
from freehold.errors import Forbidden
from freehold.http import Call, Listing, Routes
from freehold.identity import domain as domains
from freehold.identity import project as projects
from freehold.identity.assignment import Assignment, held_by
from freehold.identity.catalog import catalog
from freehold.identity.collection import add_read, link, load, page
from freehold.identity.domain import Domain
from freehold.identity.project import Project, descendants
from freehold.identity.user import User
from freehold.identity.version import VERSION

RULES = [
    Rule("identity:get_auth_projects", "", "GET /v3/auth/projects"),
    Rule("identity:get_auth_domains", "", "GET /v3/auth/domains"),
    Rule("identity:get_auth_system", "", "GET /v3/auth/system"),
    Rule("identity:get_auth_catalog", "", "GET /v3/auth/catalog"),
    Rule(
        "identity:list_user_projects",
        "rule:admin_required or user_id:%(target.user.id)s",
        "GET /v3/users/{user_id}/projects",
    ),
]


def open_to(session: Session, user_id: str) -> ColumnElement[bool]:
    """Condition: the user has a role on the project, directly, by a group, or by inheritance."""
    own = select(Assignment.project_id).where(
        held_by(user_id), Assignment.project_id.is_not(None), Assignment.inherited.is_(False)
    )
    below_domains = select(Assignment.domain_id).where(
        held_by(user_id), Assignment.domain_id.is_not(None), Assignment.inherited.is_(True)
    )
    conditions = [Project.id.in_(own), Project.domain_id.in_(below_domains)]
    roots = session.scalars(
        select(Assignment.project_id).where(
            held_by(user_id), Assignment.project_id.is_not(None), Assignment.inherited.is_(True)
        )
    ).all()
    if below := descendants(session, [root for root in roots if root]):
        conditions.append(Project.id.in_(below))
    return or_(*conditions)


def _projects(call: Call, user_id: str, listing: Listing, *, usable: bool) -> dict[str, Any]:
    statement = select(Project).join(Domain).where(open_to(call.session, user_id))
    if usable:
        statement = statement.where(and_(Project.enabled.is_(True), Domain.enabled.is_(True)))
    body = page(call, listing, statement, "projects", projects.wire)
    return {**body, "projects": projects.with_tags(call, body["projects"])}


def auth_projects(call: Call) -> dict[str, Any]:
    """Projects that the caller can get a token for."""
    assert call.caller.user_id is not None
    return _projects(call, call.caller.user_id, projects.LISTING, usable=True)


def user_projects(call: Call, user_id: str) -> dict[str, Any]:
    """Projects that a user has a role on."""
    call.enforce("identity:list_user_projects", {"target.user.id": user_id})
    load(call.session, User, "user", user_id)
    return _projects(call, user_id, projects.LISTING, usable=False)


def auth_domains(call: Call) -> dict[str, Any]:
    """Domains that the caller can get a token for."""
    assert call.caller.user_id is not None
    held = select(Assignment.domain_id).where(
        held_by(call.caller.user_id),
        Assignment.domain_id.is_not(None),
        Assignment.inherited.is_(False),
    )
    statement = select(Domain).where(Domain.id.in_(held), Domain.enabled.is_(True))
    return page(call, domains.LISTING, statement, "domains", domains.wire)


def auth_system(call: Call) -> dict[str, Any]:
    """Whether the caller can get a token for the system."""
    assert call.caller.user_id is not None
    held = select(Assignment.key).where(held_by(call.caller.user_id), Assignment.system.is_(True))
    allowed = call.session.scalar(held.limit(1)) is not None
    systems = [{"all": True}] if allowed else []
    return {"system": systems, "links": {"self": link(call, "/auth/system")}}


def auth_catalog(call: Call) -> dict[str, Any]:
    """The catalogue that the caller's token has."""
    if call.caller.scope == type(call.caller.scope)():
        raise Forbidden("A scoped token is required to produce a service catalog.")
    return {
        "catalog": catalog(call.session, call.caller.project_id),
        "links": {"self": link(call, "/auth/catalog")},
    }


ROUTES = Routes(VERSION)
add_read(ROUTES, "/auth/projects", auth_projects, policy="identity:get_auth_projects")
add_read(ROUTES, "/auth/domains", auth_domains, policy="identity:get_auth_domains")
add_read(ROUTES, "/auth/system", auth_system, policy="identity:get_auth_system")
add_read(ROUTES, "/auth/catalog", auth_catalog, policy="identity:get_auth_catalog")
add_read(ROUTES, "/users/{user_id}/projects", user_projects, policy="logged_in")
