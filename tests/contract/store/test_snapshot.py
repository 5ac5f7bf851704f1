"""A snapshot is one moment of the database, and comes back as it was, also on another engine."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text, update

from freehold.errors import Conflict
from freehold.jobs import Target
from freehold.store import Base, Store, migrate, snapshot
from tests.contract.store.rows import everything, fill
from tests.support.database import fresh


def saved(store: Store, file: Path) -> Path:
    with store.read() as session:
        snapshot.save(session, store, file)
    return file


def restored(file: Path, folder: Path, *, sqlite: bool) -> Store:
    """A database of this run's engine, made from the snapshot."""
    folder.mkdir()
    store = Store(fresh(folder))
    with snapshot.load(store, file, sqlite=sqlite):
        pass
    return store


@pytest.fixture
def beside(tmp_path: Path) -> Store:
    """A SQLite database at the newest schema, whatever the engine of this run."""
    made = Store(f"sqlite:///{tmp_path}/beside.sqlite")
    migrate.upgrade(made)
    return made


def test_a_snapshot_comes_back_row_by_row(store: Store, tmp_path: Path) -> None:
    fill(store)
    file = saved(store, tmp_path / "file")
    copy = restored(file, tmp_path / "copy", sqlite=store.is_sqlite)
    assert everything(copy, Base.metadata) == everything(store, Base.metadata)
    migrate.require_head(copy)
    copy.close()


def test_a_sqlite_snapshot_comes_back_on_either_engine(beside: Store, tmp_path: Path) -> None:
    fill(beside)
    before = everything(beside, Base.metadata)
    file = saved(beside, tmp_path / "file")
    copy = restored(file, tmp_path / "copy", sqlite=True)
    assert everything(copy, Base.metadata) == before
    copy.close()


def test_children_come_after_their_parents_whatever_their_order(
    beside: Store, tmp_path: Path
) -> None:
    regions = Base.metadata.tables["regions"]
    row = {"description": "", "extra": {}}
    with beside.engine.begin() as connection:
        connection.execute(
            insert(regions),
            [{"id": name, "parent_region_id": None, **row} for name in ("a", "b", "c")],
        )
        for child, parent in (("a", "b"), ("b", "c")):
            connection.execute(
                update(regions).where(regions.c.id == child).values(parent_region_id=parent)
            )
    before = everything(beside, Base.metadata)
    copy = restored(saved(beside, tmp_path / "file"), tmp_path / "copy", sqlite=True)
    assert everything(copy, Base.metadata) == before
    copy.close()


def test_no_value_and_the_null_of_json_stay_apart(beside: Store, tmp_path: Path) -> None:
    fill(beside)
    with beside.engine.begin() as connection:
        ids = connection.execute(text("SELECT id FROM servers ORDER BY id")).scalars().all()
        for id_, value in zip(ids, ("NULL", "'null'"), strict=True):
            connection.execute(
                text(f"UPDATE servers SET fault = {value} WHERE id = :id"), {"id": id_}
            )
    copy = restored(saved(beside, tmp_path / "file"), tmp_path / "copy", sqlite=True)
    with copy.engine.connect() as connection:
        faults = "SELECT CAST(fault AS VARCHAR) FROM servers ORDER BY id"
        assert connection.execute(text(faults)).scalars().all() == [None, "null"]
    copy.close()


def test_new_rows_are_numbered_after_those_that_were_copied(beside: Store, tmp_path: Path) -> None:
    fill(beside)
    copy = restored(saved(beside, tmp_path / "file"), tmp_path / "copy", sqlite=True)
    actions = Base.metadata.tables["instance_actions"]
    columns = [column for column in actions.columns if column is not actions.c.id]
    with copy.engine.begin() as connection:
        again = insert(actions).from_select(columns, select(*columns).limit(1))
        connection.execute(again)
        assert connection.execute(select(func.count(actions.c.id))).scalar_one() == 3
    copy.close()


def test_a_snapshot_is_one_moment_while_others_write(store: Store, tmp_path: Path) -> None:
    whole = 1000
    with store.write() as session:
        session.add(Target(kind="host", name="a", wanted=whole))
        session.add(Target(kind="host", name="b", wanted=0))
    done, moved = threading.Event(), threading.Event()

    def move() -> None:
        while not done.is_set():
            with store.write() as session:
                session.get_one(Target, ("host", "a")).wanted -= 1
                session.flush()
                session.get_one(Target, ("host", "b")).wanted += 1
            moved.set()

    writer = threading.Thread(target=move)
    writer.start()
    sums = []
    try:
        for number in range(3):
            moved.clear()
            assert moved.wait(30)
            file = saved(store, tmp_path / f"file{number}")
            copy = restored(file, tmp_path / f"copy{number}", sqlite=store.is_sqlite)
            with copy.read() as session:
                sums.append(session.scalar(select(func.sum(Target.wanted))))
            copy.close()
    finally:
        done.set()
        writer.join()
    assert sums == [whole] * 3


def test_what_fails_leaves_the_database_empty(empty: Store, beside: Store, tmp_path: Path) -> None:
    file = saved(beside, tmp_path / "file")
    with pytest.raises(ZeroDivisionError), snapshot.load(empty, file, sqlite=True):
        raise ZeroDivisionError
    assert snapshot.is_empty(empty)


def test_a_row_that_does_not_fit_leaves_the_database_empty(
    empty: Store, beside: Store, tmp_path: Path
) -> None:
    if empty.is_sqlite:
        pytest.skip("a file of SQLite is put in place as it is")
    fill(beside)
    with beside.engine.begin() as connection:
        connection.execute(text("UPDATE targets SET wanted = 1099511627776"))
    file = saved(beside, tmp_path / "file")
    with (
        pytest.raises(Conflict, match="Rows of targets do not fit"),
        snapshot.load(empty, file, sqlite=True),
    ):
        pass
    assert snapshot.is_empty(empty)


def test_a_snapshot_of_postgresql_wants_postgresql(beside: Store, tmp_path: Path) -> None:
    with (
        pytest.raises(Conflict, match="only be restored on PostgreSQL"),
        snapshot.load(beside, tmp_path / "file", sqlite=False),
    ):
        raise AssertionError("it was taken")
