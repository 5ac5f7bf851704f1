"""A cloud for each test, and one for a module's tests that leave it as it was."""

from __future__ import annotations

import pytest

from tests.api.compute.cloud import Cloud, make
from tests.support.service import Service, build


@pytest.fixture
def cloud(service: Service) -> Cloud:
    """One host, a flavor, an image, a tenant with a network."""
    return make(service)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """The same for tests that change nothing."""
    return make(build(tmp_path_factory.mktemp("untouched")))
