"""One stage for all tests that want a whole cloud: each puts back what it changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.isolation.stage import Stage, staged


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A cloud with one of everything."""
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made
