"""Who holds which role where: the table and the questions that authentication asks of it.

An assignment gives a user or a group one role on a project, a domain, or the system. One that is
``inherited`` counts not on its target but on the projects below it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, CheckConstraint, ColumnElement, ForeignKey, and_, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access.tokens import revoke
from freehold.identity.group import Membership
from freehold.identity.project import Project, ancestors
from freehold.store import Base, lock


@dataclass(frozen=True)
class Grant:
    """One assignment as a value: exactly one holder, exactly one target."""

    role_id: str
    user_id: str | None = None
    group_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool = False

    @property
    def path(self) -> str:
        """Where the API keeps it, below ``/identity/v3``."""
        target = "/system"
        if self.project_id or self.domain_id:
            kind = "projects" if self.project_id else "domains"
            target = f"/{kind}/{self.project_id or self.domain_id}"
        holder = f"users/{self.user_id}" if self.user_id else f"groups/{self.group_id}"
        path = f"{target}/{holder}/roles/{self.role_id}"
        return f"/OS-INHERIT{path}/inherited_to_projects" if self.inherited else path

    @property
    def key(self) -> str:
        """The primary key, so that the same assignment cannot exist twice."""
        holder = f"user:{self.user_id}" if self.user_id else f"group:{self.group_id}"
        target = "system"
        if self.project_id or self.domain_id:
            kind = "project" if self.project_id else "domain"
            target = f"{kind}:{self.project_id or self.domain_id}"
        return f"{holder}/{target}/{self.role_id}{'/inherited' if self.inherited else ''}"


class Assignment(Base):
    """A grant as a row; goes with its user, group, project, domain or role."""

    __tablename__ = "role_assignments"
    __table_args__ = (
        CheckConstraint("(user_id IS NULL) <> (group_id IS NULL)", name="one_holder"),
        CheckConstraint("project_id IS NULL OR domain_id IS NULL", name="one_target"),
    )

    key: Mapped[str] = mapped_column(primary_key=True)
    role_id: Mapped[str] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    group_id: Mapped[str | None] = mapped_column(
        ForeignKey("groups.id", ondelete="CASCADE"), index=True
    )
    project_id: Mapped[str | None] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    domain_id: Mapped[str | None] = mapped_column(
        ForeignKey("domains.id", ondelete="CASCADE"), index=True
    )
    system: Mapped[bool] = mapped_column(default=False)
    inherited: Mapped[bool] = mapped_column(default=False)


def granted(row: Assignment) -> Grant:
    """The row as a value."""
    return Grant(
        row.role_id,
        row.user_id,
        row.group_id,
        row.project_id,
        row.domain_id,
        row.system,
        row.inherited,
    )


def grant(session: Session, wanted: Grant) -> bool:
    """Write the assignment; returns whether it is new."""
    lock(session, "identity", "assignment", wanted.key)
    if session.get(Assignment, wanted.key) is not None:
        return False
    session.add(Assignment(key=wanted.key, **vars(wanted)))
    session.flush()
    return True


def withdraw(session: Session, now: datetime, unwanted: Grant) -> bool:
    """Remove the assignment and void its holders' tokens; returns whether it was there."""
    row = session.get(Assignment, unwanted.key)
    if row is None:
        return False
    _revoke(session, now, [row])
    session.delete(row)
    session.flush()
    return True


def revoke_holders(session: Session, now: datetime, role_ids: Iterable[str]) -> None:
    """Void the tokens of everyone who holds one of the roles anywhere."""
    rows = session.scalars(select(Assignment).where(Assignment.role_id.in_(set(role_ids)))).all()
    _revoke(session, now, rows)


def _revoke(session: Session, now: datetime, rows: Iterable[Assignment]) -> None:
    subjects: set[tuple[str, str | None]] = set()
    for row in rows:
        project_id = None if row.inherited else row.project_id
        if row.user_id is not None:
            subjects.add((row.user_id, project_id))
        else:
            members = select(Membership.user_id).where(Membership.group_id == row.group_id)
            subjects |= {(user_id, project_id) for user_id in session.scalars(members)}
    for user_id, project_id in sorted(subjects, key=str):
        revoke(session, now, user_id=user_id, project_id=project_id)


def held_by(user_id: str | BindParameter[Any]) -> ColumnElement[bool]:
    """Condition: the assignment is the user's own or that of a group they are in."""
    groups = select(Membership.group_id).where(Membership.user_id == user_id)
    return or_(Assignment.user_id == user_id, Assignment.group_id.in_(groups))


def counts_on_project(
    project_id: str | BindParameter[Any],
    domain_id: str | BindParameter[Any],
    above: Iterable[str] = (),
) -> ColumnElement[bool]:
    """Condition: the assignment counts on this project.

    Args:
        project_id: The project.
        domain_id: Its domain.
        above: The projects that it lies below.
    """
    own = and_(Assignment.project_id == project_id, Assignment.inherited.is_(False))
    sources = [Assignment.domain_id == domain_id]
    if parents := list(above):
        sources.append(Assignment.project_id.in_(parents))
    return or_(own, and_(Assignment.inherited.is_(True), or_(*sources)))


def held_on_project(session: Session, user_id: str, project_id: str) -> set[str]:
    """Ids of the roles that are assigned to the user there; none where there is no such project."""
    project = session.get(Project, project_id)
    domain_id = "" if project is None else project.domain_id
    above = () if project is None else [one.id for one in ancestors(session, project)]
    here = counts_on_project(project_id, domain_id, above)
    return set(session.scalars(select(Assignment.role_id).where(held_by(user_id), here)))


def counts_on_domain(domain_id: str) -> ColumnElement[bool]:
    """Condition: the assignment counts on the domain itself."""
    return and_(Assignment.domain_id == domain_id, Assignment.inherited.is_(False))
