"""Leases: one worker a target, fenced by a token, taken over when the worker is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from freehold.errors import LeaseLost
from freehold.jobs.job import LOST, RUNNING, Job
from freehold.jobs.target import NORMAL, Target, read_due
from freehold.store import lock, new_id

LEASE_S = 30
BACK_OFF_MAXIMUM_S = 60
PENDING_MAXIMUM_S = 15


@dataclass(frozen=True)
class Lease:
    """What a worker holds: a target as it was when taken."""

    kind: str
    name: str
    token: str
    wanted: int
    look: bool
    failures: int


def take(
    session: Session, now: datetime, kinds: Collection[str], worker: str, most: int
) -> list[Lease]:
    """Lease up to ``most`` due targets; each update holds only if nobody was faster."""
    taken: list[Lease] = []
    for target in read_due(session, now):
        if len(taken) >= most:
            break
        if target.kind not in kinds:
            continue
        token = f"{worker}:{new_id()}"
        before = target.lease
        result = session.execute(
            update(Target)
            .where(
                Target.kind == target.kind,
                Target.name == target.name,
                Target.lease.is_(None) if before is None else Target.lease == before,
            )
            .values(lease=token, lease_until=now + timedelta(seconds=LEASE_S)),
            execution_options={"synchronize_session": False},
        )
        assert isinstance(result, CursorResult)
        if result.rowcount != 1:
            continue
        if before is not None:
            _lose_jobs(session, [before], now)
        taken.append(
            Lease(target.kind, target.name, token, target.wanted, target.look, target.failures)
        )
    return taken


def renew(session: Session, leases: Iterable[Lease], now: datetime) -> None:
    """Keep the leases of jobs that are still running."""
    tokens = [lease.token for lease in leases]
    session.execute(
        update(Target)
        .where(Target.lease.in_(tokens))
        .values(lease_until=now + timedelta(seconds=LEASE_S))
    )


def release_all(session: Session, worker: str, now: datetime) -> None:
    """Void the leases of an earlier life of this worker (it is the only one of its name)."""
    held = session.query(Target).where(Target.lease.like(f"{worker}:%")).all()
    _lose_jobs(session, [target.lease for target in held if target.lease], now)
    for target in held:
        target.lease = target.lease_until = None


def give_back(
    session: Session, lease: Lease, now: datetime, *, settled: bool, failed: bool, looked: bool
) -> None:
    """End a lease in the transaction that writes back.

    Args:
        settled: Everything is as wanted; otherwise the target stays due and is tried again in a
            second.
        failed: The run failed; the target backs off, doubling up to a minute.
        looked: The run had scope ``all``.

    Raises:
        LeaseLost: Another worker has the target; nothing of this transaction may be written.
    """
    lock(session, "targets")
    key = (lease.kind, lease.name)
    target = session.get(Target, key, populate_existing=True, with_for_update=True)
    if target is None or target.lease != lease.token:
        raise LeaseLost(f"{lease.kind}/{lease.name} was given to another worker.")
    target.lease = target.lease_until = None
    if failed:
        target.failures += 1
        wait = min(BACK_OFF_MAXIMUM_S, 2**target.failures)
        target.not_before = now + timedelta(seconds=wait)
        return
    target.failures = 0
    target.not_before = None
    if looked:
        target.looked_at = now
        target.look = target.look and target.wanted > lease.wanted
    if not settled and target.wanted == lease.wanted:
        wait = min(PENDING_MAXIMUM_S, 0.5 * 2**target.pendings)
        target.not_before = now + timedelta(seconds=wait)
        target.pendings += 1
        return
    target.pendings = 0
    target.done = lease.wanted
    if not target.is_due:
        target.priority = NORMAL
        target.due_since = None
    else:
        target.due_since = now


def _lose_jobs(session: Session, tokens: Collection[str], now: datetime) -> None:
    session.execute(
        update(Job)
        .where(Job.lease.in_(tokens), Job.state == RUNNING)
        .values(
            state=LOST,
            finished_at=now,
            summary="The worker went away before the job was finished; the target is run again.",
        )
    )
