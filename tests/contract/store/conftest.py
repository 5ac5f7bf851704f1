"""A database at the newest schema, on the engine that `--database` names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold import app
from freehold.store import Store, migrate
from tests.support.database import fresh


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    """A database with nothing in it."""
    app.rooms()
    store = Store(fresh(tmp_path))
    yield store
    store.close()


@pytest.fixture
def store(empty: Store) -> Store:
    """A database as migrations make it."""
    migrate.upgrade(empty)
    return empty
