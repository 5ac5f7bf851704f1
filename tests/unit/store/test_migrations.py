"""Migrations lead from nothing to exactly the tables in code."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold import app
from freehold.errors import Unavailable
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
