"""Migrations lead from nothing to exactly the tables in code."""

from __future__ import annotations

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from freehold.errors import Conflict, Unavailable
from freehold.store import Store, migrate


def test_an_empty_database_is_refused_until_it_is_upgraded(empty: Store) -> None:
    with pytest.raises(Unavailable, match="freehold db upgrade"):
        migrate.require_head(empty)
    assert migrate.upgrade(empty) is True
    migrate.require_head(empty)


def test_upgrading_twice_changes_nothing(empty: Store) -> None:
    migrate.upgrade(empty)
    assert migrate.upgrade(empty) is False


def test_the_migrations_end_at_the_tables_in_code(empty: Store) -> None:
    migrate.upgrade(empty)
    migrate.check(empty)


def test_a_database_of_a_newer_version_is_refused_with_words(empty: Store) -> None:
    migrate.upgrade(empty)
    with empty.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'of_tomorrow'"))
    with pytest.raises(Conflict, match="newer version"):
        migrate.upgrade(empty)


def test_the_history_read_from_files_is_alembics() -> None:
    settings = Config()
    settings.set_main_option("script_location", str(migrate.MIGRATIONS))
    settings.set_main_option("path_separator", "os")
    history = ScriptDirectory.from_config(settings)
    assert migrate.head() == history.get_current_head()
    assert all(migrate.knows(step.revision) for step in history.walk_revisions())
    assert not migrate.knows("of_tomorrow")
