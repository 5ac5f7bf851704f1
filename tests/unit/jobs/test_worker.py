"""The worker: one job a target, coalescing, fencing, back-off, recovery; on virtual time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from freehold.jobs import Converged, Fault, Result, Scope, Target, TargetKind, settle, want
from freehold.jobs.job import Job, JobEvent, Seal
from freehold.jobs.lease import take
from freehold.jobs.worker import Worker
from freehold.store import Base
from tests.support.machines import PaperMachines
from tests.support.service import Service


class Tables(DeclarativeBase):
    """Tables of these tests, apart from the product's, whose migrations are compared elsewhere."""

    type_annotation_map = Base.type_annotation_map


class Lamp(Converged, Tables):
    """A resource that exists only in these tests: lit on a host."""

    __tablename__ = "test_lamps"

    id: Mapped[str] = mapped_column(primary_key=True)


LAMP = "11111111-1111-1111-1111-111111111111"


class Clock:
    """Time that moves when a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


def lamps(session: Session, _name: str, scope: Scope, _now: datetime) -> dict[str, Any] | None:
    rows = select(Lamp) if scope is Scope.ALL else select(Lamp).where(Lamp.unsettled())
    wanted = [
        {
            "id": lamp.id,
            "generation": lamp.generation,
            "state": "removed" if lamp.removed else "present",
            "name": "lamp",
            "mtu": 1450,
            "external": False,
            "physical_network": None,
            "vlan_id": None,
        }
        for lamp in session.scalars(rows)
    ]
    if not wanted and scope is Scope.CHANGES:
        return None
    empty: dict[str, list[Any]] = {
        key: [] for key in ("subnets", "security_groups", "ports", "routers", "floating_ips")
    }
    return {"networks": wanted, **empty}


def lit(session: Session, _name: str, result: Result, now: datetime) -> bool:
    rows = [session.get_one(Lamp, id) for id in result.of("network")]
    settled = [settle(row, result.of("network")[row.id], now) for row in rows]
    return all(settled)


def dark(session: Session, _name: str, fault: Fault, now: datetime) -> None:
    for row in session.scalars(select(Lamp).where(Lamp.overdue(now))):
        row.fault, row.satisfied, row.deadline = fault.model_dump(mode="json"), row.generation, None


def expire(session: Session, now: datetime) -> None:
    dark(session, "", Fault(code="TIMEOUT", message="not lit in time", at=now), now)


KIND = TargetKind("network", "network.yml", lamps, lit, dark, expire, limit=lambda _name: None)


@pytest.fixture
def service(service: Service) -> Service:
    Tables.metadata.create_all(service.store.engine)
    return service


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def machines() -> PaperMachines:
    return PaperMachines()


@pytest.fixture
def worker(service: Service, clock: Clock, machines: PaperMachines) -> Worker:
    return Worker(service.store, [KIND], machines, Seal(b"s" * 64), clock)


def light(service: Service, clock: Clock, lamp: str = LAMP) -> None:
    with service.store.write() as session:
        row = session.get(Lamp, lamp)
        if row is None:
            row = Lamp(id=lamp, generation=0, satisfied=0, found={})
            session.add(row)
        row.ask(clock.now, 60)
        want(session, "network", "ovn", clock.now)


def lamp(service: Service) -> Lamp:
    with service.store.read() as session:
        return session.get_one(Lamp, LAMP)


def target(service: Service) -> Target:
    with service.store.read() as session:
        return session.get_one(Target, ("network", "ovn"))


def jobs(service: Service) -> list[Job]:
    with service.store.read() as session:
        return list(session.scalars(select(Job).order_by(Job.started_at)))


def work(service: Service, worker: Worker, clock: Clock) -> None:
    """Lease and serve everything due now, in this thread."""
    with service.store.write() as session:
        leases = take(session, clock.now, {"network"}, "worker", 9)
    for lease in leases:
        worker.serve(lease)


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen within 10 s")


def test_a_wish_becomes_true_and_the_target_is_settled(
    service: Service, worker: Worker, clock: Clock
) -> None:
    light(service, clock)
    work(service, worker, clock)
    assert lamp(service).settled
    assert not target(service).is_due
    assert [job.state for job in jobs(service)] == ["successful"]


def test_a_hundred_wishes_for_a_busy_target_become_one_more_job(
    service: Service, worker: Worker, clock: Clock, machines: PaperMachines
) -> None:
    light(service, clock)
    machines.gate.clear()
    worker.start()
    until(lambda: len(machines.runs) == 1)
    for _ in range(100):
        light(service, clock)
    machines.gate.set()
    until(lambda: lamp(service).settled and not target(service).is_due)
    worker.stop()
    assert len(machines.runs) == 2


def test_nothing_to_do_runs_no_job(service: Service, worker: Worker, clock: Clock) -> None:
    with service.store.write() as session:
        want(session, "network", "ovn", clock.now)
    work(service, worker, clock)
    assert jobs(service) == []
    assert not target(service).is_due


def test_a_straggler_cannot_write_over_a_newer_action(
    service: Service, worker: Worker, clock: Clock, machines: PaperMachines
) -> None:
    light(service, clock)
    with service.store.write() as session:
        (old,) = take(session, clock.now, {"network"}, "worker", 1)
    machines.gate.clear()
    straggler = threading.Thread(target=worker._serve, args=(old,))
    straggler.start()
    until(lambda: len(machines.runs) == 1)
    clock.tick(60)
    light(service, clock)
    with service.store.write() as session:
        (new,) = take(session, clock.now, {"network"}, "other", 1)
    machines.gate.set()
    straggler.join()
    row = lamp(service)
    assert (row.generation, row.satisfied) == (2, 0)
    assert target(service).lease == new.token
    assert [job.state for job in jobs(service)] == ["lost"]


def test_a_failed_run_backs_off_ever_longer_and_then_succeeds(
    service: Service, worker: Worker, clock: Clock, machines: PaperMachines
) -> None:
    light(service, clock)
    machines.spoil = lambda _result: None
    pauses = []
    for _ in range(3):
        work(service, worker, clock)
        not_before = target(service).not_before
        assert not_before is not None
        pauses.append((not_before - clock.now).total_seconds())
        clock.now = not_before
    assert pauses == [2, 4, 8]
    machines.spoil = None
    work(service, worker, clock)
    assert lamp(service).settled
    assert target(service).failures == 0


def test_past_the_deadline_the_row_gets_a_fault_that_says_why(
    service: Service, worker: Worker, clock: Clock, machines: PaperMachines
) -> None:
    light(service, clock)
    machines.spoil = lambda _result: None
    clock.tick(61)
    work(service, worker, clock)
    row = lamp(service)
    assert row.settled
    assert row.fault is not None
    assert "unreachable" in row.fault["message"]


def test_the_sweep_gives_up_what_no_job_ever_answered(
    service: Service, worker: Worker, clock: Clock, machines: PaperMachines
) -> None:
    light(service, clock)
    machines.gate.clear()
    worker.turn(clock.now)
    worker.turn(clock.tick(61))
    until(lambda: lamp(service).fault is not None)
    machines.gate.set()
    worker.stop()


def test_pending_is_asked_again_without_a_fault(
    service: Service, worker: Worker, clock: Clock, machines: PaperMachines
) -> None:
    light(service, clock)

    def pending(result: dict[str, Any]) -> dict[str, Any]:
        result["resources"][0]["outcome"] = "pending"
        return result

    machines.spoil = pending
    work(service, worker, clock)
    assert not lamp(service).settled
    assert lamp(service).fault is None
    machines.spoil = None
    clock.tick(1)
    work(service, worker, clock)
    assert lamp(service).settled


def test_an_answer_about_an_old_generation_settles_nothing(
    service: Service, worker: Worker, clock: Clock, machines: PaperMachines
) -> None:
    light(service, clock)

    def asked_again_meanwhile(result: dict[str, Any]) -> dict[str, Any]:
        light(service, clock)
        return result

    machines.spoil = asked_again_meanwhile
    work(service, worker, clock)
    assert not lamp(service).settled
    assert target(service).is_due


def test_a_result_of_another_form_fails_the_job_and_writes_nothing(
    service: Service, worker: Worker, clock: Clock, machines: PaperMachines
) -> None:
    light(service, clock)
    machines.spoil = lambda result: {**result, "surprise": 1}
    work(service, worker, clock)
    assert not lamp(service).settled
    assert jobs(service)[0].state == "failed"


def test_a_worker_that_died_is_followed_by_one_that_finishes(
    service: Service, worker: Worker, clock: Clock, machines: PaperMachines
) -> None:
    light(service, clock)
    with service.store.write() as session:
        take(session, clock.now, {"network"}, "worker", 1)
    successor = Worker(service.store, [KIND], machines, Seal(b"s" * 64), clock)
    successor.start()
    until(lambda: lamp(service).settled)
    successor.stop()


def test_a_cancelled_job_ends_and_its_target_stays_due(
    service: Service, worker: Worker, clock: Clock, machines: PaperMachines
) -> None:
    light(service, clock)
    machines.gate.clear()
    worker.start()
    until(lambda: len(machines.runs) == 1)
    with service.store.write() as session:
        session.scalars(select(Job)).one().cancel_requested = True
    until(lambda: jobs(service)[0].state == "cancelled")
    machines.gate.set()
    worker.stop()
    assert target(service).is_due


def test_the_document_is_kept_but_not_readable_in_the_database(
    service: Service, worker: Worker, clock: Clock
) -> None:
    light(service, clock)
    work(service, worker, clock)
    (job,) = jobs(service)
    assert b"lamp" not in job.sealed
    assert Seal(b"s" * 64).open(job.sealed)["networks"][0]["id"] == LAMP


def test_events_are_written_for_people(service: Service, worker: Worker, clock: Clock) -> None:
    light(service, clock)
    work(service, worker, clock)
    with service.store.read() as session:
        assert [event.event for event in session.scalars(select(JobEvent))] == ["runner_on_ok"]
