"""What is due, decided from counters alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from freehold.jobs.target import Target, due, want
from tests.support.service import Service

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TIMES = st.none() | st.integers(-90, 90).map(lambda s: NOW + timedelta(seconds=s))
TARGETS = st.builds(
    Target,
    kind=st.just("host"),
    name=st.text("abc", min_size=1, max_size=3),
    wanted=st.integers(0, 3),
    done=st.integers(0, 3),
    priority=st.integers(0, 9),
    due_since=TIMES,
    lease=st.none() | st.just("w:1"),
    lease_until=TIMES,
    not_before=TIMES,
)


@given(st.lists(TARGETS, max_size=8))
def test_a_chosen_target_is_due_free_and_not_backing_off(targets: list[Target]) -> None:
    for target in due(targets, NOW):
        assert target.wanted > target.done
        assert target.lease is None or target.lease_until is None or target.lease_until <= NOW
        assert target.not_before is None or target.not_before <= NOW


@given(st.lists(TARGETS, max_size=8))
def test_nothing_that_could_run_is_left_out(targets: list[Target]) -> None:
    chosen = due(targets, NOW)
    for target in targets:
        runnable = (
            target.wanted > target.done
            and target.lease is None
            and (target.not_before is None or target.not_before <= NOW)
        )
        assert not runnable or target in chosen


@given(st.lists(TARGETS, max_size=8))
def test_the_more_urgent_comes_first(targets: list[Target]) -> None:
    priorities = [target.priority for target in due(targets, NOW)]
    assert priorities == sorted(priorities)


def test_a_wish_that_is_rolled_back_wakes_nobody(service: Service) -> None:
    try:
        with service.store.write() as session:
            want(session, "host", "hv1", NOW)
            raise RuntimeError
    except RuntimeError:
        pass
    assert not service.store.wake.is_set()
    with service.store.read() as session:
        assert session.get(Target, ("host", "hv1")) is None


def test_wishes_coalesce_into_one_counter(service: Service) -> None:
    for _ in range(100):
        with service.store.write() as session:
            want(session, "host", "hv1", NOW)
    with service.store.read() as session:
        target = session.get_one(Target, ("host", "hv1"))
        assert (target.wanted, target.done) == (100, 0)
    assert service.store.wake.is_set()


def test_a_wish_does_not_shorten_the_pause_of_a_failing_target(service: Service) -> None:
    later = NOW + timedelta(seconds=30)
    with service.store.write() as session:
        want(session, "host", "hv1", NOW)
        target = session.get_one(Target, ("host", "hv1"))
        target.failures, target.not_before = 3, later
    with service.store.write() as session:
        want(session, "host", "hv1", NOW)
    with service.store.read() as session:
        assert session.get_one(Target, ("host", "hv1")).not_before == later
