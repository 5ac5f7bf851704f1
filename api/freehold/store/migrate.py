"""Migrations: the schema's history, applied in order; the tables in code are its end.

Callers import all services first, so that ``Base.metadata`` is whole.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from freehold.errors import Conflict, Unavailable
from freehold.store.engine import Store

MIGRATIONS = Path(__file__).parent / "migrations"


def _settings() -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.set_main_option("path_separator", "os")
    return settings


def current(store: Store) -> str | None:
    """The migration that the database is at; None for an empty one."""
    with store.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The newest migration that this code knows."""
    return _history().get_current_head()


def _history() -> ScriptDirectory:
    return ScriptDirectory.from_config(_settings())


def knows(migration: str) -> bool:
    """Whether the migration is part of this version's history."""
    return any(step.revision == migration for step in _history().walk_revisions())


def upgrade(store: Store) -> bool:
    """Bring the schema to ``head``; returns whether anything was done.

    Raises:
        Conflict: The database was used by a newer version.
    """
    before = current(store)
    if before == head():
        return False
    if before is not None and not knows(before):
        raise Conflict(_newer(store, before))
    with store.engine.begin() as connection:
        to_head(connection)
    return True


def to_head(connection: Connection) -> None:
    """The same in the caller's own transaction, on a database that is not newer."""
    settings = _settings()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


def require_head(store: Store) -> None:
    """Refuse (Unavailable) to work on another schema than this code's."""
    found = current(store)
    if found == head():
        return
    if found is None:
        raise Unavailable(f"{_name(store)} has no tables of Freehold: run `freehold db upgrade`.")
    if not knows(found):
        raise Unavailable(_newer(store, found))
    raise Unavailable(
        f"{_name(store)} is at migration {found}, this version needs {head()}: "
        "run `freehold db upgrade`."
    )


def _newer(store: Store, found: str) -> str:
    return (
        f"{_name(store)} is at migration {found}, which this version does not know: it was used by "
        "a newer version. Install that one, or restore a backup of this one's."
    )


def _name(store: Store) -> str:
    return f"The database {store.engine.url.render_as_string(hide_password=True)}"


def write_revision(store: Store, message: str) -> None:
    """Write a migration from what the tables in code have and the database has not (developers)."""
    settings = _settings()
    with store.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.revision(settings, message, autogenerate=True)


def check(store: Store) -> None:
    """Raise when the tables in code and the database's schema differ."""
    settings = _settings()
    with store.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.check(settings)
