"""Fixtures for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.database import postgresql
from tests.support.service import Service, build

# A law holds or not; how long one try takes is the busy machine's affair.
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--database postgresql` runs everything that asks for a database on PostgreSQL."""
    parser.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite")


@pytest.fixture(scope="session", autouse=True)
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The engine that these tests run on."""
    engine: str = request.config.getoption("--database")
    if engine == "sqlite":
        yield engine
    else:
        with postgresql():
            yield engine


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """A fresh service without workers."""
    return build(tmp_path)
