"""An owner, a stranger and an operator on one service."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from freehold.access import Caller
from tests.support.service import Service, admin, build, tenant


@pytest.fixture
def owner_caller() -> Caller:
    """The owner, for those who need the project's id."""
    return tenant()


@pytest.fixture
def stranger_caller() -> Caller:
    """A member of another project."""
    return tenant()


@pytest.fixture
def owner(service: Service, owner_caller: Caller) -> TestClient:
    """Who makes the images."""
    return service.client(owner_caller)


@pytest.fixture
def stranger(service: Service, stranger_caller: Caller) -> TestClient:
    """Who has nothing to do with them."""
    return service.client(stranger_caller)


@pytest.fixture
def operator(service: Service) -> TestClient:
    """An admin."""
    return service.client(admin())


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """A tenant of one service for all tests of a module that leave nothing in it."""
    return build(tmp_path_factory.mktemp("clean")).client(tenant())
