"""Limits by project, and the check of a wish against what the rows add up to.

Use is never counted anywhere: the service that owns the rows sums them in the same transaction
(invariant 5), and asks here whether there is room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.errors import QuotaExceeded
from freehold.store import Base, lock

UNLIMITED = -1


class QuotaLimit(Base):
    """A limit set for one project; where there is no row the default holds."""

    __tablename__ = "quota_limits"

    project_id: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    resource: Mapped[str] = mapped_column(primary_key=True)
    maximum: Mapped[int]


@dataclass(frozen=True)
class Limit:
    """A wish: ``asked`` more of ``resource`` when ``used`` are there."""

    resource: str
    used: int
    asked: int = 1


def limits_of(
    session: Session, project_id: str, service: str, defaults: Mapping[str, int]
) -> dict[str, int]:
    """All limits of a project for one service; -1 is without limit."""
    rows = session.execute(
        select(QuotaLimit.resource, QuotaLimit.maximum).where(
            QuotaLimit.project_id == project_id, QuotaLimit.service == service
        )
    )
    set_for_project = {row.resource: row.maximum for row in rows}
    return {name: set_for_project.get(name, default) for name, default in defaults.items()}


def set_limits(session: Session, project_id: str, service: str, wished: Mapping[str, int]) -> None:
    """Set a project's limits; those that are not named stay."""
    for resource, maximum in wished.items():
        row = session.get(QuotaLimit, (project_id, service, resource))
        if row is None:
            row = QuotaLimit(project_id=project_id, service=service, resource=resource)
            session.add(row)
        row.maximum = maximum
    session.flush()


def forget_limits(session: Session, project_id: str, service: str | None = None) -> bool:
    """Go back to the defaults, of one service or of all; returns whether any limit had been set."""
    statement = delete(QuotaLimit).where(QuotaLimit.project_id == project_id)
    if service is not None:
        statement = statement.where(QuotaLimit.service == service)
    gone = session.execute(statement)
    assert isinstance(gone, CursorResult)
    return gone.rowcount > 0


def hold(session: Session, project_id: str, service: str) -> None:
    """Let one transaction at a time sum and decide for this project; call it **before** summing."""
    lock(session, "quota", service, project_id)


def require_room(
    session: Session,
    project_id: str,
    service: str,
    defaults: Mapping[str, int],
    wishes: list[Limit],
) -> None:
    """Refuse when any wish does not fit.

    Raises:
        QuotaExceeded: Names each resource that is over, with what is used, asked and allowed.
    """
    limits = limits_of(session, project_id, service, defaults)
    over = [
        f"{wish.resource}: requested {wish.asked}, used {wish.used} of {limits[wish.resource]}"
        for wish in wishes
        if wish.asked > 0
        and limits[wish.resource] != UNLIMITED
        and wish.used + wish.asked > limits[wish.resource]
    ]
    if over:
        raise QuotaExceeded(f"Quota exceeded for resources: {'; '.join(over)}")
