"""Targets: what is due, and the counter that makes wake-ups safe to lose or to double.

``wanted`` grows in the transaction of the request that wants something; ``done`` is the value of
``wanted`` that the last finished job started from. A target is due when they differ.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Index, bindparam, case, func, or_, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.util import identity_key

from freehold.store import Base, ask_to_wake, lock

URGENT, NORMAL, LATER = 0, 5, 9


class Target(Base):
    """The smallest thing that is converged as a whole.

    Attributes:
        wanted, done: See the module.
        priority: Smallest first; the most urgent wish since the last job.
        due_since: When it became due, for fairness among equals.
        lease: Token of the worker that has it; None when free.
        lease_until: The lease is void after this time unless it is renewed.
        failures: Runs that failed in a row; sets the back-off.
        pendings: Runs in a row that left something pending; sets the pause to the next try.
        not_before: Not leased before this time.
        looked_at: Last run with scope ``all``.
        look: A full look is asked for.
    """

    __tablename__ = "targets"

    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    wanted: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    priority: Mapped[int] = mapped_column(default=NORMAL)
    due_since: Mapped[datetime | None] = mapped_column(default=None)
    lease: Mapped[str | None] = mapped_column(default=None)
    lease_until: Mapped[datetime | None] = mapped_column(default=None)
    failures: Mapped[int] = mapped_column(default=0)
    pendings: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None] = mapped_column(default=None)
    looked_at: Mapped[datetime | None] = mapped_column(default=None)
    look: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (Index("ix_targets_due", "lease", "not_before"),)

    @property
    def is_due(self) -> bool:
        """Whether something was asked of it that no finished job has seen."""
        return self.wanted > self.done


def want(
    session: Session,
    kind: str,
    name: str,
    now: datetime,
    *,
    priority: int = NORMAL,
    look: bool = False,
) -> None:
    """Mark a target due in the caller's own transaction; a new name makes the target.

    The worker is woken when the transaction is committed; a lost wake-up costs a second, nothing
    more. A target that backs off after failures keeps its pause, or requests would hammer a dead
    host.

    Args:
        look: Ask for a full look (scope ``all``) instead of the changes only.
    """
    # Requests want their targets in any order; one at a time, they never wait for each other.
    lock(session, "targets")
    session.flush()
    values = {"kind": kind, "name": name, "priority": priority, "look": look, "now": now}
    session.connection().execute(_wish(session.get_bind().dialect.name), values)
    known = session.identity_map.get(identity_key(Target, (kind, name)))
    if known is not None:
        session.expire(known)
    ask_to_wake(session)


@functools.cache
def _wish(dialect: str) -> Any:
    """One statement that makes the target or counts it up, built once: most writes run it."""
    insert = sqlite_insert if dialect == "sqlite" else postgresql_insert
    made = insert(Target).values(
        kind=bindparam("kind"),
        name=bindparam("name"),
        wanted=1,
        done=0,
        priority=bindparam("priority"),
        due_since=bindparam("now"),
        failures=0,
        pendings=0,
        look=bindparam("look"),
    )
    wished, settled = made.excluded, Target.failures == 0
    return made.on_conflict_do_update(
        index_elements=[Target.kind, Target.name],
        set_={
            "wanted": Target.wanted + 1,
            "priority": case(
                (Target.priority < wished.priority, Target.priority), else_=wished.priority
            ),
            "due_since": func.coalesce(Target.due_since, wished.due_since),
            "look": or_(Target.look, wished.look),
            "not_before": case((settled, None), else_=Target.not_before),
            "pendings": case((settled, 0), else_=Target.pendings),
        },
    )


def due(targets: Sequence[Target], now: datetime) -> list[Target]:
    """Choose the targets that a worker may lease now, most urgent first.

    Pure, so that a replayed history makes the same choice: due is a matter of counters, never of
    how the worker was woken.

    Args:
        targets: Rows as read in one snapshot; any order.
        now: The clock in UTC.

    Returns:
        Due targets by (priority, waiting time); leased ones and those backing off are left out.
    """
    free = [
        target
        for target in targets
        if target.is_due
        and (target.lease is None or target.lease_until is None or target.lease_until <= now)
        and (target.not_before is None or target.not_before <= now)
    ]
    return sorted(free, key=lambda target: (target.priority, target.due_since or now, target.name))


def read_due(session: Session, now: datetime) -> list[Target]:
    """The due targets as the database has them now."""
    rows = session.scalars(select(Target).where(Target.wanted > Target.done)).all()
    return due(rows, now)
