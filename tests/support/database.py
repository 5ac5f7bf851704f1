"""Fresh databases for tests: SQLite files, or databases of a real PostgreSQL of these tests' own.

``pytest --database postgresql`` runs the same tests on PostgreSQL: a cluster in a temporary folder,
reached by a socket there alone, gone with the tests.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from freehold.app import rooms
from freehold.store import Base, Store

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql"))
SOCKET = "FREEHOLD_TEST_POSTGRESQL"
OWNER = "postgres"
KEPT = "kept"


def fresh(folder: Path) -> str:
    """The URL of a database with nothing in it; a SQLite one lies in ``folder``."""
    if SOCKET not in os.environ:
        return f"sqlite:///{folder}/freehold.sqlite"
    return _made("template0")


def with_tables(folder: Path) -> str:
    """The URL of a database with all tables and no rows; made once, as it takes its time."""
    if SOCKET in os.environ:
        return _made(_template(os.environ[SOCKET]))
    (folder / "freehold.sqlite").write_bytes(_file())
    return fresh(folder)


@functools.cache
def _template(_cluster: str) -> str:
    url = _made("template0")
    _make_tables(url)
    return _name(url)


@functools.cache
def _file() -> bytes:
    with TemporaryDirectory() as folder:
        _make_tables(fresh(Path(folder)))
        return (Path(folder) / "freehold.sqlite").read_bytes()


def _make_tables(url: str) -> None:
    rooms()
    store = Store(url)
    Base.metadata.create_all(store.engine)
    store.close()


def copied(url: str, folder: Path) -> str:
    """The URL of a copy of the database at ``url``, which nobody has open."""
    if url.startswith("sqlite"):
        copy = folder / "freehold.sqlite"
        shutil.copy(_path(url), copy)
        return f"sqlite:///{copy}"
    return _made(_name(url))


def keep(url: str) -> None:
    """Remember all rows of the database at ``url``, which nobody has open."""
    if url.startswith("sqlite"):
        shutil.copy(_path(url), f"{_path(url)}.kept")
    else:
        _run_on(url, f"CREATE SCHEMA {KEPT}")
        _each_table(url, "CREATE TABLE {kept}.{table} AS TABLE {table}")


def put_back(url: str) -> None:
    """Bring back the rows that ``keep`` remembered; nobody has the database open."""
    if url.startswith("sqlite"):
        shutil.copy(f"{_path(url)}.kept", _path(url))
    else:
        _each_table(url, "DELETE FROM {table}; INSERT INTO {table} TABLE {kept}.{table}")


def _each_table(url: str, statement: str) -> None:
    """One round for all tables, with foreign keys left unchecked; a database's copy takes long."""
    names = Base.metadata.tables
    script = [statement.format(table=f'"{name}"', kept=KEPT) for name in names]
    _run_on(url, "; ".join(["SET session_replication_role = replica", *script]))


def _run_on(url: str, script: str) -> None:
    with _server(_name(url)) as connection:
        connection.execute(script.encode())


def _path(url: str) -> str:
    return url.removeprefix("sqlite:///")


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _made(template: str) -> str:
    name = f"t{uuid.uuid4().hex}"
    with _server() as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return f"postgresql+psycopg://{OWNER}@/{name}?host={os.environ[SOCKET]}"


def _server(name: str = OWNER) -> psycopg.Connection[Any]:
    return psycopg.connect(host=os.environ[SOCKET], user=OWNER, dbname=name, autocommit=True)


@contextmanager
def postgresql() -> Iterator[None]:
    """A cluster while the block runs; ``fresh`` makes its databases there.

    The server refuses to run as root: then it is the user that Debian's package made.
    """
    as_owner = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups", "--"]
    before = as_owner if os.geteuid() == 0 else []
    # A socket's path may have 107 bytes, so it cannot lie deep in pytest's folders.
    with TemporaryDirectory(prefix="freehold-pg-", dir="/tmp") as folder:
        data = Path(folder) / "data"
        if before:
            shutil.chown(folder, OWNER, OWNER)
        initdb = ["initdb", "--no-sync", "--auth=trust", f"--username={OWNER}", "--pgdata", data]
        _run(before, *initdb)
        quick = "-c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=400"
        start = ["pg_ctl", "--pgdata", data, "--wait", "--silent", "--log", f"{folder}/log"]
        _run(before, *start, "--options", f"-k {folder} {quick}", "start")
        os.environ[SOCKET] = folder
        try:
            yield
        finally:
            del os.environ[SOCKET]
            _run(before, "pg_ctl", "--pgdata", data, "--mode=immediate", "--silent", "stop")


def _run(before: list[str], program: str, *words: str | Path) -> None:
    # Not captured: the server that pg_ctl starts would hold the pipe open.
    subprocess.run(
        [*before, PROGRAMS / program, *words], check=True, stdout=subprocess.DEVNULL, cwd="/"
    )
