"""One service for all tests of a file: tenants do not see each other, so tests do not either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.store import Store
from tests.support.database import with_tables
from tests.support.service import Service, build


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A service that the file's tests share."""
    return build(tmp_path_factory.mktemp("service"))


@pytest.fixture
def service(shared: Service) -> Service:
    """The same under its usual name."""
    return shared


@pytest.fixture
def alone(shared: Service, tmp_path: Path) -> Iterator[Service]:
    """The same application on an empty database, for what is seen of the whole cloud."""
    store = Store(with_tables(tmp_path))
    shared.app.state.store = store
    yield Service(shared.app, store, shared.config)
    shared.app.state.store = shared.store
    store.close()
