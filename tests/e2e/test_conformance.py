"""Tempest, which others wrote, against the cloud: what must pass and needs no guest."""

from __future__ import annotations

from tests.support.lab import Lab, run


def test_what_conformed_once_still_does(cloud: Lab) -> None:
    told = run("make", "conformance", "ARGS=--list fast", timeout=900)
    assert "REGRESSION" not in told.stdout
