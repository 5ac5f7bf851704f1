"""Logging in with a trust as the scope: as whom, with which roles, and one use the fewer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from freehold.access import Delegation, Scope
from freehold.errors import Forbidden, NotAuthenticated
from freehold.identity.assignment import held_on_project
from freehold.identity.authentication import Login, ProjectRef, refused
from freehold.identity.domain import Domain
from freehold.identity.role import closure, implications
from freehold.identity.scope import project_scope, role_names
from freehold.identity.trust import Trust, chain
from freehold.identity.user import User
from freehold.store import lock_row


@dataclass(frozen=True)
class Delegated:
    """Whose token it is, and what for.

    Attributes:
        login: The trustor where they are impersonated, else the trustee who logged in.
        expires_at: When the trust ends.
        is_counted: Each token is a use of the trust (``spend``).
    """

    login: Login
    scope: Scope
    roles: tuple[str, ...]
    trust: Delegation
    expires_at: datetime | None
    is_counted: bool


def delegated(session: Session, login: Login, trust_id: str, now: datetime) -> Delegated:
    """What a trust gives to the user who logged in.

    Raises:
        NotAuthenticated: It is not theirs, is over, or is not there: the answers are alike.
        Forbidden: Somebody in its chain is disabled, or the trustor lacks a role by now.
    """
    if login.credential is not None:
        raise NotAuthenticated("Application credentials cannot request a scope.")
    trust = session.get(Trust, trust_id)
    if trust is None or trust.trustee_user_id != login.user_id or trust.is_over(now):
        raise refused()
    links = chain(session, trust)
    people = _people(session, links)
    trustor = people[trust.trustor_user_id]
    shown = login
    if trust.impersonation:
        shown = replace(
            login,
            user_id=trustor.id,
            user_name=trustor.name,
            domain_id=trustor.domain_id,
            domain_name=trustor.domain_name,
        )
    return Delegated(
        login=shown,
        scope=project_scope(session, login, ProjectRef(id=trust.project_id)),
        roles=_roles(session, trust, links[-1].trustor_user_id),
        trust=Delegation(
            trust_id=trust.id,
            trustor_user_id=trust.trustor_user_id,
            trustee_user_id=trust.trustee_user_id,
            impersonation=trust.impersonation,
            chain=tuple(one.id for one in links),
            user_ids=tuple(sorted(people)),
            domain_ids=tuple(sorted({one.domain_id for one in people.values()})),
        ),
        expires_at=trust.expires_at,
        is_counted=trust.remaining_uses is not None,
    )


_PEOPLE = (
    select(
        User.id,
        User.name,
        User.domain_id,
        User.enabled,
        Domain.name.label("domain_name"),
        Domain.enabled.label("domain_enabled"),
    )
    .join(Domain, Domain.id == User.domain_id)
    .where(User.id.in_(bindparam("ids", expanding=True)))
)


def _people(session: Session, links: Sequence[Trust]) -> Mapping[str, Row[*tuple[Any, ...]]]:
    """All who gave or were given the trust, by id; each is enabled."""
    ids = {id_ for one in links for id_ in (one.trustor_user_id, one.trustee_user_id)}
    people = {row.id: row for row in session.execute(_PEOPLE, {"ids": sorted(ids)})}
    if not all(person.enabled and person.domain_enabled for person in people.values()):
        raise Forbidden("One of the trust agents is disabled or deleted.")
    return people


def _roles(session: Session, trust: Trust, owner: str) -> tuple[str, ...]:
    """Names of the roles that the trust gives, all of which their owner still has."""
    implied = implications(session)
    given = closure(trust.role_ids, implied)
    if not given <= closure(held_on_project(session, owner, trust.project_id), implied):
        raise Forbidden("Trustee has no delegated roles.")
    return role_names(session, given)


def spend(session: Session, trust_id: str) -> None:
    """Count one use, in a write transaction; of many who want the last one, one gets it.

    Raises:
        NotAuthenticated: There is none left, or the trust is gone.
    """
    trust = session.get(Trust, trust_id)
    if trust is None:
        raise refused()
    lock_row(session, trust)
    if not trust.remaining_uses:
        raise refused()
    trust.remaining_uses -= 1
    session.flush()
