"""Fixtures: a northbound database for each test (it starts in 30 ms)."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "collections"))

from tests.contract.ovn.servers import Northbound, ovsdb_server


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: the path of a Unix socket must fit into 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ovn-") as name:
        yield Path(name)


@pytest.fixture
def northbound(folder: Path) -> Iterator[Northbound]:
    """A real, empty northbound database."""
    with ovsdb_server(folder, "ovn-nb") as remotes:
        yield Northbound(remotes["ovn-nb"])
