"""Migrations: the schema's history, applied in order; the tables in code are its end.

Callers import all services first, so that ``Base.metadata`` is whole. Alembic is imported where
the schema is changed or compared, and not to look at where it stands: with all that it imports it
would take 20 MiB of a service that never uses it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from freehold.errors import Conflict, Unavailable
from freehold.store.engine import Store

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
_STEP = re.compile(r"^(revision|down_revision) = (.+)$", re.MULTILINE)


def _settings() -> Config:
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.set_main_option("path_separator", "os")
    return settings


def current(store: Store) -> str | None:
    """The migration that the database is at; None for an empty one."""
    with store.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def head() -> str:
    """The newest migration that this code knows."""
    history = _history()
    (newest,) = set(history) - set(history.values())
    return newest


def _history() -> dict[str, str | None]:
    """Each migration with the one before it, as their files say in Alembic's words."""
    history = {}
    for file in (MIGRATIONS / "versions").glob("*.py"):
        told = {name: ast.literal_eval(value) for name, value in _STEP.findall(file.read_text())}
        if told:
            history[told["revision"]] = told["down_revision"]
    return history


def knows(migration: str) -> bool:
    """Whether the migration is part of this version's history."""
    return migration in _history()


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
    from alembic import command

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
    from alembic import command

    settings = _settings()
    with store.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.revision(settings, message, autogenerate=True)


def check(store: Store) -> None:
    """Raise when the tables in code and the database's schema differ."""
    from alembic import command

    settings = _settings()
    with store.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.check(settings)
