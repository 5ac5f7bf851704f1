"""The worker: leases due targets, runs one job a target, writes back what is.

Level-triggered: it looks at counters, so a lost or doubled wake-up changes nothing, and a hundred
wishes for a busy host become one job. Any number of workers may run on one database; each has a
name of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from freehold.errors import LeaseLost, Unavailable
from freehold.jobs import job as job_table
from freehold.jobs.converged import Fault
from freehold.jobs.document import Result, envelope
from freehold.jobs.events import EventWriter
from freehold.jobs.job import Job, Seal, forget_old
from freehold.jobs.kinds import Question, Scope, TargetKind
from freehold.jobs.lease import Lease, give_back, release_all, renew, take
from freehold.jobs.run import Outcome, Run, Runner
from freehold.jobs.target import LATER, Target, want
from freehold.store import Store, new_id
from freehold.trace import trace

log = logging.getLogger(__name__)
TURN_S = 1.0
RENEW_S = 8.0
SWEEP_S = 5.0


class Worker:
    """Runs jobs in threads of this process.

    Args:
        store: Where targets are.
        kinds: What kinds this worker converges.
        runner: How a playbook is run.
        seal: How documents are kept.
        clock: The time in UTC.
        slots: Jobs at once.
        name: Unique among living workers; a restart under the same name takes its leases back.
    """

    def __init__(
        self,
        store: Store,
        kinds: Sequence[TargetKind],
        runner: Runner,
        seal: Seal,
        clock: Callable[[], datetime],
        *,
        slots: int = 4,
        name: str = "worker",
    ) -> None:
        self._store = store
        self._kinds: Mapping[str, TargetKind] = {kind.kind: kind for kind in kinds}
        self._runner = runner
        self._seal = seal
        self._clock = clock
        self._slots = slots
        self._name = name
        self._running: dict[str, tuple[Lease, threading.Thread]] = {}
        self._running_lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._renewed: datetime | None = None
        self._swept: datetime | None = None

    def start(self) -> None:
        """Take back what an earlier life held, then work until ``stop``."""
        self._runner.clear()
        with self._store.write() as session:
            release_all(session, self._name, self._clock())
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more jobs, cancel the running ones and wait for them."""
        self._stopping.set()
        self._store.wake.set()
        if self._thread is not None:
            self._thread.join()
        for _, thread in list(self._running.values()):
            thread.join()
        self._runner.clear()

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._store.wake.wait(TURN_S)
            self._store.wake.clear()
            try:
                self.turn(self._clock())
            except Exception as error:  # noqa: BLE001 - the edge: recorded, tried again
                log.error("a turn of worker %s failed; it goes on\n%s", self._name, trace(error))

    def turn(self, now: datetime) -> None:
        """One look at the clock and the targets: renew, sweep, lease, start jobs."""
        with self._running_lock:
            held = [lease for lease, _ in self._running.values()]
        if held and _passed(self._renewed, now, RENEW_S):
            self._store.transact(lambda session: renew(session, held, now))
            self._renewed = now
        if _passed(self._swept, now, SWEEP_S):
            self._store.transact(lambda session: self._sweep(session, now))
            self._swept = now
        free = self._slots - len(held)
        if free <= 0 or not self._anything_due():
            return
        leases = self._store.transact(
            lambda session: take(session, now, self._kinds.keys(), self._name, free)
        )
        for lease in leases:
            thread = threading.Thread(
                target=self._serve,
                args=(lease,),
                name=f"job {lease.kind}/{lease.name}",
                daemon=True,
            )
            with self._running_lock:
                self._running[lease.token] = (lease, thread)
            thread.start()

    def _anything_due(self) -> bool:
        with self._store.read() as session:
            found = session.execute(
                select(Target.kind).where(Target.wanted > Target.done).limit(1)
            ).first()
        return found is not None

    def _sweep(self, session: Session, now: datetime) -> None:
        """Give up what is past its deadline; ask for the looks that are overdue."""
        for kind in self._kinds.values():
            kind.expire(session, now)
            if kind.look_every_s is None:
                continue
            before = now - timedelta(seconds=kind.look_every_s)
            for target in session.scalars(
                select(Target).where(
                    Target.kind == kind.kind,
                    Target.wanted == Target.done,
                    or_(Target.looked_at.is_(None), Target.looked_at < before),
                )
            ).all():
                want(session, target.kind, target.name, now, priority=LATER, look=True)

    def _serve(self, lease: Lease) -> None:
        try:
            self.serve(lease)
        except LeaseLost as error:
            log.warning("%s", error)
        except Exception as error:  # noqa: BLE001 - the edge: recorded and re-labelled
            log.error("job on %s/%s broke\n%s", lease.kind, lease.name, trace(error))
            self._fail_broken(lease, error)
        finally:
            with self._running_lock:
                self._running.pop(lease.token, None)
            self._store.wake.set()

    def serve(self, lease: Lease) -> None:
        """Run one job under a lease, from document to write-back."""
        kind = self._kinds[lease.kind]
        now = self._clock()
        scope = Scope.ALL if lease.look else Scope.CHANGES
        with self._store.read() as session:
            body = kind.document(session, lease.name, scope, now)
        if body is None:
            with self._store.write() as session:
                give_back(session, lease, now, settled=True, failed=False, looked=lease.look)
            return
        document = envelope(kind.kind, lease.name, str(scope), body)
        job_id = self._open_job(kind, lease, scope, document, now)
        with EventWriter(self._store, job_id, self._clock) as events:
            outcome = self._runner(
                Run(
                    id=job_id,
                    playbook=f"converge/{kind.playbook}",
                    limit=kind.limit(lease.name),
                    document=document,
                    time_limit_s=kind.time_limit_s,
                ),
                events.add,
                lambda: self._stopping.is_set() or self._cancel_requested(job_id),
            )
        self._close_job(kind, lease, job_id, outcome)

    def _open_job(
        self,
        kind: TargetKind,
        lease: Lease,
        scope: Scope,
        document: dict[str, Any],
        now: datetime,
    ) -> str:
        job_id = new_id()
        with self._store.write() as session:
            session.add(
                Job(
                    id=job_id,
                    kind=lease.kind,
                    name=lease.name,
                    lease=lease.token,
                    playbook=f"converge/{kind.playbook}",
                    limit=kind.limit(lease.name),
                    scope=str(scope),
                    started_at=now,
                    sealed=self._seal.close(document),
                )
            )
        return job_id

    def _close_job(self, kind: TargetKind, lease: Lease, job_id: str, outcome: Outcome) -> None:
        """Write back what the machine said, or that it said nothing, and give the lease back."""
        now = self._clock()
        result, problem = _checked(kind, lease, outcome)
        looked = lease.look and result is not None

        def write_back(session: Session) -> None:
            row = session.get_one(Job, job_id)
            if result is None:
                kind.failed(
                    session, lease.name, Fault(code="RUN_FAILED", message=problem, at=now), now
                )
                settled = False
            else:
                settled = kind.write_back(session, lease.name, result, now)
            session.flush()
            give_back(session, lease, now, settled=settled, failed=result is None, looked=looked)
            _digest(row, outcome, result, problem, now)
            forget_old(session, lease.kind, lease.name)

        self._store.transact(write_back)

    def _fail_broken(self, lease: Lease, error: Exception) -> None:
        """A mistake of ours must not hold the target: it backs off and the job tells of it."""
        now = self._clock()
        message = (
            f"Freehold could not finish the job: {type(error).__name__}. See the service's log."
        )
        fault = Fault(code="INTERNAL", message=message, at=now)

        def write_back(session: Session) -> None:
            self._kinds[lease.kind].failed(session, lease.name, fault, now)
            for row in session.scalars(select(Job).where(Job.lease == lease.token)):
                row.state, row.summary, row.finished_at = job_table.FAILED, message, now
            give_back(session, lease, now, settled=False, failed=True, looked=False)

        try:
            self._store.transact(write_back)
        except LeaseLost as lost:
            log.warning("%s", lost)

    def _cancel_requested(self, job_id: str) -> bool:
        with self._store.read() as session:
            return bool(session.scalar(select(Job.cancel_requested).where(Job.id == job_id)))

    def ask(self, question: Question) -> dict[str, Any]:
        """Run a question on a machine now, without lease or job.

        Raises:
            Unavailable: The machine did not answer in time; the message says what happened.
        """
        outcome = self._runner(
            Run(
                id=new_id(),
                playbook=f"ask/{question.playbook}",
                limit=question.limit,
                variables=question.variables,
                time_limit_s=question.time_limit_s,
            ),
            lambda event: None,
            self._stopping.is_set,
        )
        if outcome.result is None:
            raise Unavailable(f"{question.limit} did not answer: {outcome.failure}")
        return outcome.result


def _passed(before: datetime | None, now: datetime, seconds: float) -> bool:
    return before is None or now - before >= timedelta(seconds=seconds)


def _checked(kind: TargetKind, lease: Lease, outcome: Outcome) -> tuple[Result | None, str]:
    """The result if the run brought a whole one about this target, else what went wrong."""
    if outcome.result is None:
        return None, outcome.failure or f"{kind.playbook} ended without a result"
    try:
        result = Result.model_validate(outcome.result)
    except ValidationError as error:
        return None, f"the result of {kind.playbook} has another form: {error.error_count()} errors"
    if (result.target.kind, result.target.name) != (lease.kind, lease.name):
        return None, f"the result is about {result.target.kind}/{result.target.name}"
    return result, outcome.failure


def _digest(row: Job, outcome: Outcome, result: Result | None, problem: str, now: datetime) -> None:
    row.finished_at = now
    if outcome.status == "canceled":
        row.state, row.summary = job_table.CANCELLED, "cancelled"
        return
    if result is None:
        row.state, row.summary = job_table.FAILED, problem
        return
    row.changed = result.changed
    row.resources = [entry.model_dump(exclude={"found"}) for entry in result.resources]
    counts: dict[str, int] = {}
    for entry in result.resources:
        counts[entry.outcome] = counts.get(entry.outcome, 0) + 1
    row.state = job_table.FAILED if counts.get("failed") else job_table.SUCCESSFUL
    said = ", ".join(f"{number} {word}" for word, number in sorted(counts.items()))
    row.summary = said or "nothing to do"
    errors = [entry.error.message for entry in result.resources if entry.error]
    if errors:
        row.summary += f": {errors[0]}"
