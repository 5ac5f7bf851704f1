"""Endpoint URLs that ask for a project."""

from __future__ import annotations

import pytest

from freehold.identity.catalog import in_project


@pytest.mark.parametrize(
    "form", ["$(project_id)s", "%(project_id)s", "$(tenant_id)s", "%(tenant_id)s"]
)
def test_every_spelling_of_the_project_is_filled_in(form: str) -> None:
    assert in_project(f"http://x/v1/AUTH_{form}", "p1") == "http://x/v1/AUTH_p1"


def test_a_url_that_needs_a_project_is_left_out_without_one() -> None:
    assert in_project("http://x/v1/AUTH_$(project_id)s", None) is None


def test_other_percent_signs_and_braces_are_only_text() -> None:
    url = "http://x/%(user_id)s/{{ 7*7 }}/%d"
    assert in_project(url, "p1") == url
