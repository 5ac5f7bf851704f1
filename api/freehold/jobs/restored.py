"""What a database forgets that was saved in the middle of its work and is used again later."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from freehold.jobs.converged import Converged
from freehold.jobs.job import LOST, RUNNING, Job
from freehold.jobs.target import Target, want
from freehold.store import Base


def resume(session: Session, saved_at: datetime, now: datetime) -> None:
    """Make a saved database fit to go on: nobody holds a lease, and every target is looked at.

    The machines have moved on since, so each target is compared as a whole. Time spent on the
    shelf counts against no deadline.
    """
    session.execute(
        update(Job)
        .where(Job.state == RUNNING)
        .values(state=LOST, finished_at=now, summary="The database was restored from a backup.")
    )
    for target in session.scalars(select(Target)).all():
        target.lease = target.lease_until = target.not_before = None
        target.failures = target.pendings = 0
        session.flush()
        want(session, target.kind, target.name, now, look=True)
    for mapper in Base.registry.mappers:
        table = mapper.class_
        if issubclass(table, Converged):
            for row in session.scalars(select(table).where(table.deadline.is_not(None))):
                assert row.deadline is not None
                row.deadline += now - saved_at
