"""What a token is good for: the scope asked for, and the roles that the user has there."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, select
from sqlalchemy.orm import Session

from freehold.access import Scope
from freehold.errors import BadRequest, NotAuthenticated
from freehold.identity.application_credential import ApplicationCredential
from freehold.identity.assignment import Assignment, counts_on_domain, counts_on_project, held_by
from freehold.identity.authentication import (
    DomainRef,
    Login,
    ProjectRef,
    ScopeRef,
    domain_key,
    lookup,
    named,
)
from freehold.identity.domain import Domain
from freehold.identity.project import Project, ancestors
from freehold.identity.role import Role, closure, implications


def scoped(
    session: Session, login: Login, wanted: ScopeRef | None
) -> tuple[Scope, tuple[str, ...]]:
    """The scope and the names of the user's roles there.

    Without a wish it is the user's default project if they may enter it, else nothing.

    Raises:
        BadRequest: Several scopes at once.
        NotAuthenticated: No such scope, or the user has no role there; the answers are alike.
    """
    if login.credential is not None:
        return _of_credential(session, login, login.credential, wanted)
    if wanted is None:
        return _default(session, login)
    require_one(wanted)
    if wanted.project is not None:
        scope, roles = _project(session, login, wanted.project)
    elif wanted.domain is not None:
        scope, roles = _domain(session, login, wanted.domain)
    elif wanted.system is not None:
        scope, roles = Scope(system=True), _roles(session, login, Assignment.system.is_(True))
    else:
        return Scope(), ()
    if not roles:
        raise _no_access(login)
    return scope, roles


def require_one(wanted: ScopeRef) -> None:
    """Refuse (BadRequest) several scopes at once, or none."""
    told = [wanted.project, wanted.domain, wanted.system, wanted.unscoped, wanted.trust]
    if sum(one is not None for one in told) != 1:
        raise BadRequest(
            "Exactly one scope may be asked for: project, domain, system, OS-TRUST:trust or "
            "unscoped."
        )


def _no_access(login: Login) -> NotAuthenticated:
    return NotAuthenticated(f"User {login.user_id} has no access to the scope that was asked for.")


def _default(session: Session, login: Login) -> tuple[Scope, tuple[str, ...]]:
    if login.default_project_id is None:
        return Scope(), ()
    try:
        scope, roles = _project(session, login, ProjectRef(id=login.default_project_id))
    except NotAuthenticated:
        return Scope(), ()
    return (scope, roles) if roles else (Scope(), ())


def _of_credential(
    session: Session, login: Login, credential: ApplicationCredential, wanted: ScopeRef | None
) -> tuple[Scope, tuple[str, ...]]:
    """The credential's project, with those of its roles that the user still has there."""
    if wanted is not None:
        raise NotAuthenticated("Application credentials cannot request a scope.")
    scope, held = _project(session, login, ProjectRef(id=credential.project_id))
    kept = set(role_names(session, credential.role_ids))
    roles = tuple(name for name in held if name in kept)
    if not roles:
        raise _no_access(login)
    return scope, roles


def _usable(session: Session, login: Login, wanted: ProjectRef) -> Row[*tuple[Any, ...]]:
    by, values = lookup(wanted, "project")
    row = session.execute(_projects(by), values).first()
    if row is None or not (row.enabled and row.domain_enabled):
        raise _no_access(login)
    return row


def project_scope(session: Session, login: Login, wanted: ProjectRef) -> Scope:
    """A project as a scope, whatever the user has there.

    Raises:
        NotAuthenticated: There is none, or it is disabled.
    """
    row = _usable(session, login, wanted)
    return Scope(row.id, row.name, row.domain_id, row.domain_name)


def _project(session: Session, login: Login, wanted: ProjectRef) -> tuple[Scope, tuple[str, ...]]:
    row = _usable(session, login, wanted)
    scope = Scope(row.id, row.name, row.domain_id, row.domain_name)
    place = {"user_id": login.user_id, "project_id": row.id, "domain_id": row.domain_id}
    if row.parent_id is None:
        held = session.scalars(_HELD_ON_PROJECT, place).all()
    else:
        above = [one.id for one in ancestors(session, session.get_one(Project, row.id))]
        here = counts_on_project(row.id, row.domain_id, above)
        held = session.scalars(_held(here), place).all()
    return scope, role_names(session, held)


@functools.cache
def _projects(by: str) -> Select[*tuple[Any, ...]]:
    """The query for one project, built once for each way of naming it."""
    return (
        select(
            Project.id,
            Project.name,
            Project.enabled,
            Project.parent_id,
            Project.domain_id,
            Domain.name.label("domain_name"),
            Domain.enabled.label("domain_enabled"),
        )
        .join(Domain, Domain.id == Project.domain_id)
        .where(*named(Project, by))
    )


def _domain(session: Session, login: Login, wanted: DomainRef) -> tuple[Scope, tuple[str, ...]]:
    by, value = domain_key(wanted, "scope")
    column = Domain.id if by == "domain_id" else Domain.name
    domain = session.scalar(select(Domain).where(column == value))
    if domain is None or not domain.enabled:
        raise _no_access(login)
    scope = Scope(domain_id=domain.id, domain_name=domain.name)
    return scope, _roles(session, login, counts_on_domain(domain.id))


def _held(here: ColumnElement[bool]) -> Select[str]:
    return select(Assignment.role_id).where(held_by(bindparam("user_id")), here)


_HELD_ON_PROJECT = _held(counts_on_project(bindparam("project_id"), bindparam("domain_id")))


def _roles(session: Session, login: Login, here: ColumnElement[bool]) -> tuple[str, ...]:
    held = session.scalars(_held(here), {"user_id": login.user_id}).all()
    return role_names(session, held)


_NAMES = select(Role.name).where(
    Role.id.in_(bindparam("ids", expanding=True)), Role.domain_id.is_(None)
)


def role_names(session: Session, role_ids: Iterable[str]) -> tuple[str, ...]:
    """Names of the roles and all they imply, sorted; a domain's own roles only imply."""
    if not (held := set(role_ids)):
        return ()
    whole = closure(held, implications(session))
    return tuple(sorted(session.scalars(_NAMES, {"ids": list(whole)})))


_REFS = (
    select(Role.id, Role.name)
    .where(Role.name.in_(bindparam("names", expanding=True)), Role.domain_id.is_(None))
    .order_by(Role.name)
)


def role_refs(session: Session, names: Iterable[str]) -> list[dict[str, Any]]:
    """Roles as tokens show them."""
    rows = session.execute(_REFS, {"names": list(names)})
    return [{"id": role_id, "name": name} for role_id, name in rows]
