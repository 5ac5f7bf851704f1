"""Migrations lead from nothing to exactly the tables in code."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from freehold import app
from freehold.errors import Conflict, Unavailable
from freehold.store import Store, migrate


@pytest.fixture
def store(tmp_path: Path) -> Store:
    app.rooms()
    return Store(f"sqlite:///{tmp_path}/db.sqlite")


def test_an_empty_database_is_refused_until_it_is_upgraded(store: Store) -> None:
    with pytest.raises(Unavailable, match="freehold db upgrade"):
        migrate.require_head(store)
    assert migrate.upgrade(store) is True
    migrate.require_head(store)


def test_upgrading_twice_changes_nothing(store: Store) -> None:
    migrate.upgrade(store)
    assert migrate.upgrade(store) is False


def test_the_migrations_end_at_the_tables_in_code(store: Store) -> None:
    migrate.upgrade(store)
    migrate.check(store)


def test_a_database_of_a_newer_version_is_refused_with_words(store: Store) -> None:
    migrate.upgrade(store)
    with store.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'of_tomorrow'"))
    with pytest.raises(Conflict, match="newer version"):
        migrate.upgrade(store)
