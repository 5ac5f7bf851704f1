"""One cloud for all end-to-end tests, made by the README's first command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab import CHECKOUT, Lab, run

# The collection's own words for a host, where a test says them there itself.
sys.path.insert(0, str(CHECKOUT / "collections"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is e2e; the image first, the story, and taking the cloud down last."""
    order = (
        "test_tiny_image",
        "test_story",
        "test_hostile_names",
        "test_hostile_disk",
        "test_operator",
        "test_conformance",
        "test_clients",
        "test_host_reboot",
        "test_host_document",
        "test_lab_machines",
        "test_cloud_down",
    )
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.e2e)
    items.sort(key=lambda item: order.index(item.path.stem))


@pytest.fixture(scope="session")
def cloud() -> Iterator[Lab]:
    """The cloud of `make cloud`, from nothing; it stays until test_cloud_down takes it down."""
    run("make", "cloud-down", timeout=300)
    told = run("make", "cloud", timeout=1400)
    print(told.stdout[-3000:])
    return Lab.of_inventory()
