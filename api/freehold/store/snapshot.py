"""The whole database as one file, written while others go on working, and read into an empty one.

A snapshot of SQLite is a SQLite file; one of PostgreSQL is what ``pg_dump`` writes in its custom
format. A SQLite file can be read into PostgreSQL too, row by row, which is how a cloud moves there.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    URL,
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    bindparam,
    cast,
    func,
    insert,
    inspect,
    select,
    text,
    type_coerce,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from freehold.errors import Conflict, Unavailable
from freehold.store import migrate
from freehold.store.engine import Store
from freehold.store.schema import Base

ROWS_AT_ONCE = 1000
_GIVEN = "given_"


def save(session: Session, store: Store, file: Path) -> None:
    """Write everything that ``session``, a read transaction, sees into ``file``.

    Raises:
        Unavailable: ``pg_dump`` is missing or fails.
    """
    connection = session.connection()
    if store.is_sqlite:
        source: Any = connection.connection.driver_connection
        with closing(sqlite3.connect(file)) as copy:
            source.backup(copy)
        return
    seen = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
    _postgresql(store, "pg_dump", "--format=custom", f"--snapshot={seen}", f"--file={file}")


def is_empty(store: Store) -> bool:
    """Whether there is no table yet; a SQLite file that is not there is not made."""
    name = store.engine.url.database
    if store.is_sqlite and name is not None and not Path(name).exists():
        return True
    return not inspect(store.engine).get_table_names()


@contextmanager
def load(store: Store, file: Path, *, sqlite: bool) -> Iterator[Store]:
    """Bring a snapshot to this version's schema, and then into ``store``, which is empty.

    The block gets the database to mend before it is used. A SQLite file is put in place, or its
    rows are copied, after the block, as one step: when something fails, ``store`` is still empty.

    Args:
        file: The snapshot, which is changed; for SQLite on the same disk as ``store``.
        sqlite: It is one of SQLite.

    Raises:
        Conflict: It is one of PostgreSQL and ``store`` is not.
        Unavailable: ``pg_restore`` is missing or fails.
    """
    if not sqlite:
        if store.is_sqlite:
            raise Conflict("A backup of PostgreSQL can only be restored on PostgreSQL.")
        whole = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
        _postgresql(store, "pg_restore", *whole, f"--dbname={_address(store)}", str(file))
        migrate.upgrade(store)
        yield store
        return
    snapshot = Store(f"sqlite:///{file}")
    migrate.upgrade(snapshot)
    yield snapshot
    if not store.is_sqlite:
        with store.engine.begin() as connection:
            migrate.to_head(connection)
            _copy_rows(snapshot, connection)
    snapshot.close()
    if store.is_sqlite:
        assert store.engine.url.database is not None
        # The last connection took its write-ahead log with it, so this file is all there is.
        file.chmod(0o600)
        os.replace(file, store.engine.url.database)


def _copy_rows(source: Store, write: Connection) -> None:
    """Copy all rows of all tables into a database of this version's schema too."""
    with source.engine.connect() as read:
        for table in Base.metadata.sorted_tables:
            found = read.execute(select(*map(_as_written, table.columns))).mappings()
            rows = _parents_first(table, [dict(row) for row in found])
            statement = insert(table).values({column: _given(column) for column in table.columns})
            for first in range(0, len(rows), ROWS_AT_ONCE):
                try:
                    write.execute(statement, rows[first : first + ROWS_AT_ONCE])
                except DBAPIError as error:
                    raise Conflict(f"Rows of {table.name} do not fit: {error.orig}") from error
            _count_on(write, table)


def _as_written(column: Column[Any]) -> ColumnElement[Any]:
    """JSON is copied as its text, since no value and JSON's null are the same to Python."""
    value = type_coerce(column, Text) if isinstance(column.type, JSON) else column
    return value.label(f"{_GIVEN}{column.name}")


def _given(column: Column[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, JSON):
        return cast(bindparam(f"{_GIVEN}{column.name}", type_=Text), column.type)
    return bindparam(f"{_GIVEN}{column.name}", type_=column.type)


def _parents_first(table: Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Order rows so that those which others of the same table refer to come before them."""
    links = [
        (f"{_GIVEN}{key.parent.name}", f"{_GIVEN}{key.column.name}")
        for key in table.foreign_keys
        if key.column.table is table
    ]
    for child, parent in links:
        below: dict[Any, list[dict[str, Any]]] = {}
        for row in rows:
            below.setdefault(row[child], []).append(row)
        rows = list(below.pop(None, ()))
        for row in rows:  # Grows while it is walked.
            rows.extend(below.pop(row[parent], ()))
    return rows


def _count_on(write: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after those that were copied with their numbers."""
    for column in table.primary_key:
        if column is not table.autoincrement_column:
            continue
        last = write.execute(select(func.max(column))).scalar_one()
        if last is not None:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            write.execute(select(func.setval(sequence, last)))


def _postgresql(store: Store, program: str, *words: str) -> None:
    """Run one of PostgreSQL's programs on the database; a password goes by the environment."""
    url = store.engine.url
    if program == "pg_dump":
        words = (*words, f"--dbname={_address(store)}")
    secret = {"PGPASSWORD": url.password} if url.password else {}
    try:
        subprocess.run(
            [program, "--no-password", *words],
            check=True,
            capture_output=True,
            text=True,
            env=dict(os.environ) | secret,
        )
    except FileNotFoundError as error:
        raise Unavailable(f"{program} is missing: apt-get install postgresql-client") from error
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{program} failed: {error.stderr.strip()}") from error


def _address(store: Store) -> str:
    """The database's URL as PostgreSQL's own programs read it, without the password."""
    url = store.engine.url
    bare = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    return bare.render_as_string()
