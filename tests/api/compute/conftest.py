"""A cloud for each test."""

from __future__ import annotations

import pytest

from tests.api.compute.cloud import Cloud, make
from tests.support.service import Service


@pytest.fixture
def cloud(service: Service) -> Cloud:
    """One host, a flavor, an image, a tenant with a network."""
    return make(service)
