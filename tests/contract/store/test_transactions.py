"""What a transaction promises, the same on every engine."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.errors import Conflict
from freehold.jobs import Target, want
from freehold.network.network import Network
from freehold.store import Store, ask_to_wake, lock, lock_row, on_commit

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def add(name: str, priority: int = 5) -> Target:
    """Any row does; a target has few columns that must be said."""
    return Target(kind="lamp", name=name, priority=priority)


def network() -> Network:
    """A row that a machine must follow."""
    return Network(project_id="p", mtu=1450, created_at=NOW, updated_at=NOW)


def names(store: Store) -> list[str]:
    with store.read() as session:
        return sorted(session.scalars(select(Target.name)))


def test_what_raises_leaves_nothing(store: Store) -> None:
    called: list[str] = []

    def step(session: Session) -> None:
        session.add(add("a"))
        session.flush()
        ask_to_wake(session)
        on_commit(session, lambda: called.append("a"))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.transact(step)
    assert (names(store), called, store.wake.is_set()) == ([], [], False)


def test_a_read_sees_one_moment(store: Store) -> None:
    with store.read() as session:
        assert session.scalars(select(Target)).all() == []
        store.transact(lambda other: other.add(add("a")))
        assert session.scalars(select(Target)).all() == []
    assert names(store) == ["a"]


def test_two_that_wait_for_each_other_both_get_through(store: Store) -> None:
    """A takes a then b, B takes b then a: a deadlock where writers run side by side."""
    store.transact(lambda session: session.add_all([add("a", 0), add("b", 0)]))
    both_hold_one = threading.Barrier(2)

    def raise_priorities(order: str) -> None:
        def step(session: Session) -> None:
            for name in order:
                session.get_one(Target, ("lamp", name), with_for_update=True).priority += 1
                session.flush()
                with suppress(threading.BrokenBarrierError):
                    both_hold_one.wait(0.5)

        store.transact(step)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(raise_priorities, ("ab", "ba")))
    with store.read() as session:
        assert [row.priority for row in session.scalars(select(Target))] == [2, 2]


def test_one_who_looked_before_another_wrote_looks_again(store: Store) -> None:
    """Both see that the name is free; the one that comes second is told by its own check."""
    both_looked = threading.Barrier(2)

    def make(_: int) -> str:
        def step(session: Session) -> None:
            if session.get(Target, ("lamp", "a")) is not None:
                raise Conflict("a is there.")
            with suppress(threading.BrokenBarrierError):
                both_looked.wait(0.5)
            session.add(add("a"))
            session.flush()

        try:
            store.transact(step)
        except Conflict as error:
            return error.message
        return "made"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(make, range(2))) == ["a is there.", "made"]


def test_of_two_who_delete_a_row_one_has_done_it(store: Store) -> None:
    store.transact(lambda session: session.add(add("a")))
    both_looked = threading.Barrier(2)

    def remove(_: int) -> bool:
        def step(session: Session) -> bool:
            row = session.get(Target, ("lamp", "a"))
            with suppress(threading.BrokenBarrierError):
                both_looked.wait(0.5)
            if row is None:
                return False
            session.delete(row)
            return True

        return store.transact(step)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, range(2))) == [False, True]


def test_a_wish_that_was_made_beside_another_is_made_upon_it(store: Store) -> None:
    """Were both the second generation, a machine's answer to one would settle the other too."""
    store.transact(lambda session: session.add(network()))
    both_looked = threading.Barrier(2)

    def change(name: str) -> None:
        def step(session: Session) -> None:
            row = session.scalars(select(Network)).one()
            with suppress(threading.BrokenBarrierError):
                both_looked.wait(0.5)
            row.name += name
            row.ask(NOW, 60)

        store.transact(step)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(change, ("a", "b")))
    with store.read() as session:
        row = session.scalars(select(Network)).one()
        assert (sorted(row.name), row.generation) == (["a", "b"], 3)


def test_what_grows_under_a_row_lock_loses_nothing(store: Store) -> None:
    store.transact(lambda session: session.add(add("a", 0)))

    def grow(_: int) -> None:
        def step(session: Session) -> None:
            row = session.get_one(Target, ("lamp", "a"))
            lock_row(session, row)
            row.priority += 1

        store.transact(step)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(grow, range(24)))
    with store.read() as session:
        assert session.get_one(Target, ("lamp", "a")).priority == 24


def test_each_of_many_who_want_one_row_has_its_turn(store: Store) -> None:
    """More lose at once than there are attempts; those who lost stand in a line."""
    store.transact(lambda session: session.add(network()))

    def change(_: int) -> None:
        def step(session: Session) -> None:
            session.scalars(select(Network)).one().ask(NOW, 60)

        store.transact(step)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(change, range(48)))
    with store.read() as session:
        assert session.scalars(select(Network)).one().generation == 49


def test_who_holds_a_lock_decides_alone(store: Store) -> None:
    def at_most_five(number: int) -> bool:
        def step(session: Session) -> bool:
            lock(session, "quota", "project")
            if len(session.scalars(select(Target)).all()) >= 5:
                return False
            session.add(add(f"n{number}"))
            return True

        return store.transact(step)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(at_most_five, range(24))) == 5
    assert len(names(store)) == 5


def test_wishes_from_many_threads_are_all_counted(store: Store) -> None:
    def wish(number: int) -> None:
        hosts = ("hv1", "hv2") if number % 2 else ("hv2", "hv1")
        store.transact(lambda session: [want(session, "host", host, NOW) for host in hosts])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(wish, range(40)))
    with store.read() as session:
        assert [row.wanted for row in session.scalars(select(Target))] == [40, 40]
