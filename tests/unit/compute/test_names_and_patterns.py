"""Host names from server names; patterns that cannot be made to run for long."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.compute.hostname import hostname_of, numbered
from freehold.compute.safe_pattern import safe_pattern
from freehold.errors import BadRequest


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("web", "web"),
        ("Web 1.example_x", "web-1-example-x"),
        ("-edge-", "edge"),
        ("été", "t"),
        ("日本", "server-id"),
        ("{{ 7*7 }}", "77"),
        ("x" * 80, "x" * 63),
    ],
)
def test_a_host_name_is_what_resolvers_take(name: str, hostname: str) -> None:
    assert hostname_of(name, "id") == hostname


@given(st.text(min_size=1, max_size=255))
def test_every_name_gives_a_host_name(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", hostname_of(name, "0-1"))


def test_several_servers_of_one_request_are_numbered() -> None:
    assert [numbered("web", position, 3) for position in range(3)] == ["web-1", "web-2", "web-3"]
    assert numbered("web", 0, 1) == "web"


@pytest.mark.parametrize(
    "pattern",
    ["web", "^web.*-[0-9]+$", r"a\.b", "10.0.0.", "web-?1", r"\d{1,}"[:2], "[^a]b", "^$", ""],
)
def test_flat_patterns_pass(pattern: str) -> None:
    assert safe_pattern("name", pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "a*b*c*", "(?s).", "a|b", r"\1", "[", "*", "a**", r"(?P<n>x)", "x" * 256, "a{1,99}"],
)
def test_others_are_refused(pattern: str) -> None:
    with pytest.raises(BadRequest, match="name"):
        safe_pattern("name", pattern)


def test_the_worst_pattern_that_passes_is_quick() -> None:
    pattern = safe_pattern("name", "a*a*b")
    started = time.process_time()
    re.search(pattern, "a" * 255)
    assert time.process_time() - started < 2
