"""Fresh databases for tests: SQLite files, or databases of a real PostgreSQL of these tests' own.

``pytest --database postgresql`` runs the same tests on PostgreSQL: a cluster in a temporary folder,
reached by a socket there alone, gone with the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql"))
SOCKET = "FREEHOLD_TEST_POSTGRESQL"
OWNER = "postgres"


def fresh(folder: Path) -> str:
    """The URL of a database with nothing in it; a SQLite one lies in ``folder``."""
    if SOCKET not in os.environ:
        return f"sqlite:///{folder}/freehold.sqlite"
    return _made("template0")


def copied(url: str, folder: Path) -> str:
    """The URL of a copy of the database at ``url``, which nobody has open."""
    if url.startswith("sqlite"):
        copy = folder / "freehold.sqlite"
        shutil.copy(url.removeprefix("sqlite:///"), copy)
        return f"sqlite:///{copy}"
    return _made(url.partition("?")[0].rpartition("/")[2])


def _made(template: str) -> str:
    name = f"t{uuid.uuid4().hex}"
    folder = os.environ[SOCKET]
    with psycopg.connect(host=folder, user=OWNER, dbname=OWNER, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return f"postgresql+psycopg://{OWNER}@/{name}?host={folder}"


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
