"""Workers in processes of their own on one database: each target in one hand, none forgotten."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from freehold.jobs import Target, want
from freehold.store import Store, utc_now
from tests.support.lab import CHECKOUT, until

TARGETS = [f"lamp{number}" for number in range(12)]


@contextmanager
def lamplighter(
    store: Store, folder: Path, name: str, processes: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """A worker process while the block runs, one of so many."""
    program = [sys.executable, "-m", "tests.contract.store.lamplighter"]
    words = [*program, store.url, folder, name, str(processes)]
    with subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def ask(store: Store) -> None:
    for name in TARGETS:
        store.transact(lambda session, name=name: want(session, "lamp", name, utc_now()))


def unsettled(store: Store) -> list[str]:
    with store.read() as session:
        due = session.scalars(select(Target).where(Target.wanted > Target.done)).all()
    return [target.name for target in due]


def test_two_processes_share_the_work_and_never_a_target(store: Store, tmp_path: Path) -> None:
    with lamplighter(store, tmp_path, "one", 2), lamplighter(store, tmp_path, "two", 2):
        for _ in range(5):
            ask(store)
        until("all that was asked is done", lambda: not unsettled(store), 60)
    assert list(tmp_path.glob("*.twice")) == []
    runs = Counter(
        target for file in tmp_path.glob("*.runs") for target in file.read_text().split()
    )
    assert set(runs) == set(TARGETS)
    assert {path.stem for path in tmp_path.glob("*.runs")} == {"one", "two"}


def test_what_a_killed_worker_held_is_taken_back_by_its_next_life(
    store: Store, tmp_path: Path
) -> None:
    with store.write() as session:
        want(session, "lamp", "lamp0", utc_now())
        target = session.get_one(Target, ("lamp", "lamp0"))
        target.lease, target.lease_until = "one:dead", utc_now().replace(year=2999)
    with lamplighter(store, tmp_path, "two"):
        ask(store)
        until("the others are done", lambda: unsettled(store) == ["lamp0"], 60)
    with lamplighter(store, tmp_path, "one"):
        until("the dead one's is done", lambda: not unsettled(store), 60)


def test_every_commit_makes_another_version(store: Store) -> None:
    if not store.is_sqlite:
        assert store.version() is None
        return
    seen = [store.version()]
    ask(store)
    seen.append(store.version())
    with sqlite3.connect(store.url.removeprefix("sqlite:///")) as other:
        other.execute("DELETE FROM targets")
    other.close()
    seen.append(store.version())
    assert len(set(seen)) == 3
    with store.read():
        assert store.version() == seen[-1]
    store.close()
    assert store.version() not in seen
