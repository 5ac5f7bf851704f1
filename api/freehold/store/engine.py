"""Sessions on SQLite or PostgreSQL with the same promises on both.

A write transaction on SQLite takes the database's write lock at its start (``BEGIN IMMEDIATE``)
behind a lock of this process, so writers queue fairly instead of polling and never fail half way.
On PostgreSQL writers run side by side: code that decides on sums of rows calls ``lock`` first, code
that makes a new value of a row's old one calls ``lock_row``. Who loses a race for rows, as told by
the database or by a write that finds a row no longer as it was read, is run again
(``Store.transact``).
"""

from __future__ import annotations

import threading
import warnings
import zlib
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic_core import from_json, to_json
from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, NoResultFound, SAWarning
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import PoolProxiedConnection

from freehold.errors import Conflict

T = TypeVar("T")

_WRITE = "freehold_write"
_CALLBACKS = "freehold_on_commit"
_WAKE = "freehold_wake"
_ATTEMPTS = 5
# PostgreSQL's manual, appendix A: serialization_failure, deadlock_detected, unique_violation,
# foreign_key_violation. The last two are races too: what the transaction looked up before has come
# or gone since.
_LOST_RACES = frozenset({"40001", "40P01", "23505", "23503"})
# A write finds its row gone or newer (of a delete that finds none SQLAlchemy only warns, and it
# would be answered as done); what another row refers to is there no longer.
_LOST_ROWS = (StaleDataError, SAWarning, NoResultFound)
warnings.filterwarnings("error", r"DELETE statement on table .* expected to delete", SAWarning)


_SETTINGS: dict[str, Any] = {
    # The same JSON at a fifth of the time; lists read several such columns a row.
    "json_serializer": lambda value: to_json(value).decode(),
    "json_deserializer": from_json,
    # Errors and statement logs would quote user data and hashes.
    "hide_parameters": True,
}


class Store:
    """The database behind one URL.

    Args:
        url: ``sqlite:////absolute/path`` or ``postgresql+psycopg://…``.

    Attributes:
        wake: Set when a transaction that asked for work (``ask_to_wake``) is committed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _engine(url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, autoflush=True)
        self._one_writer = threading.Lock()
        # It makes no transaction of its own: of those it would not be told.
        self._watcher: PoolProxiedConnection | None = None
        self.wake = threading.Event()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent snapshot; whatever is changed in it is thrown away."""
        with self._sessions() as session:
            if not self.is_sqlite:
                # PostgreSQL's default shows each statement what was committed before it.
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back whole when it raises.

        Functions given to ``on_commit`` run after the commit, outside the transaction.
        """
        if self.is_sqlite:
            with self._one_writer:
                session = self._sessions()
                with session, session.begin():
                    session.connection(execution_options={_WRITE: True})
                    yield session
        else:
            session = self._sessions()
            with session, session.begin():
                yield session
        for callback in session.info.pop(_CALLBACKS, ()):
            callback()
        if session.info.pop(_WAKE, False):
            self.wake.set()

    def transact(self, step: Callable[[Session], T]) -> T:
        """Run ``step`` in one write transaction; again from its start when another one won a race.

        So ``step`` must touch nothing but the database. It raises what ``step`` raises. Those who
        lost run one after another, so that of many who want one row each has its turn.

        Raises:
            Conflict: It lost every time.
        """
        lost: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                with self.write() as session:
                    if lost is not None:
                        lock(session, "losers of races")
                    return step(session)
            except (DBAPIError, *_LOST_ROWS) as error:
                if self.is_sqlite or not _is_lost_race(error):
                    raise
                lost = error
        raise Conflict(
            "Other requests changed the same things at the same time; look again and repeat."
        ) from lost

    def version(self) -> Hashable:
        """Something that is another after every commit, by whichever process; None if unknown.

        SQLite tells it at the price of a few microseconds (``PRAGMA data_version``, whose numbers
        mean something to one connection only), PostgreSQL does not.
        """
        if not self.is_sqlite:
            return None
        if self._watcher is None:
            self._watcher = self.engine.raw_connection()
        driver: Any = self._watcher.driver_connection
        return self._watcher, driver.execute("PRAGMA data_version").fetchone()

    def close(self) -> None:
        """Give all connections back."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
        self.engine.dispose()


def _is_lost_race(error: Exception) -> bool:
    if isinstance(error, DBAPIError):
        return getattr(error.orig, "sqlstate", None) in _LOST_RACES
    return True


def on_commit(session: Session, callback: Callable[[], None]) -> None:
    """Run ``callback`` once the session's write transaction is committed; never if it is not."""
    session.info.setdefault(_CALLBACKS, []).append(callback)


def ask_to_wake(session: Session) -> None:
    """Set the store's ``wake`` event once this transaction is committed."""
    session.info[_WAKE] = True


def lock(session: Session, *key: str) -> None:
    """Let one transaction at a time decide about ``key`` (a project's quota, a subnet's addresses).

    SQLite has one writer anyway; on PostgreSQL this is an advisory lock held until the end of the
    transaction. Take locks in one order: quota before addresses before hosts.
    """
    if session.get_bind().dialect.name == "postgresql":
        number = zlib.crc32("/".join(key).encode())
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def lock_row(session: Session, row: Any) -> None:
    """Let nobody else change ``row`` until the transaction ends; it is read again as it is now.

    For what makes a new value of the old one (a list that grows by one). SQLite has one writer.
    Called once it is known that the caller may change it: a stranger must not make its owner wait.

    Raises:
        StaleDataError: It is gone, which is a lost race (``Store.transact``).
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    key = inspect(row).identity
    if session.get(type(row), key, populate_existing=True, with_for_update=True) is None:
        raise StaleDataError(f"{type(row).__name__} {key} is gone.")


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=20, max_overflow=20, pool_pre_ping=True, **_SETTINGS)
    engine = create_engine(
        url,
        pool_size=20,
        max_overflow=40,
        connect_args={"timeout": 30, "check_same_thread": False},
        **_SETTINGS,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-8000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITE, False)
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
