"""Fixtures for all tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.service import Service, build


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """A fresh service without workers."""
    return build(tmp_path)
