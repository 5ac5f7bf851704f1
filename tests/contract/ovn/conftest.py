"""Fixtures: a northbound database for each test (it starts in 30 ms)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "collections"))

from tests.contract.ovn.servers import Northbound, ovsdb_server


@pytest.fixture
def northbound(tmp_path: Path) -> Iterator[Northbound]:
    """A real, empty northbound database."""
    with ovsdb_server(tmp_path, "ovn-nb") as remotes:
        yield Northbound(remotes["ovn-nb"])
