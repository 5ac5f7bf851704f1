"""What a role implies: everything reachable, whatever the shape of the rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from freehold.identity.role import closure

ROLE = st.sampled_from("abcdef")
RULES = st.dictionaries(ROLE, st.lists(ROLE, max_size=4))


def test_admin_reaches_reader_through_member() -> None:
    rules = {"admin": ["member"], "member": ["reader"]}
    assert closure(["admin"], rules) == {"admin", "member", "reader"}
    assert closure(["member"], rules) == {"member", "reader"}


def test_nothing_implies_nothing() -> None:
    assert closure([], {"admin": ["member"]}) == set()


@given(st.sets(ROLE), RULES)
def test_the_closure_is_closed_and_minimal(held: set[str], rules: dict[str, list[str]]) -> None:
    whole = closure(held, rules)
    assert held <= whole
    assert {implied for role in whole for implied in rules.get(role, ())} <= whole
    assert closure(whole, rules) == whole
    assert all(
        role in held or any(role in rules.get(prior, ()) for prior in whole) for role in whole
    )
