"""Policy: defaults of the services, and operators' files that are followed while running."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_policy.policy import PolicyNotRegistered

from freehold.access import Caller, Rule, Scope
from freehold.access.policy import Policy

RULES = [
    Rule("thing:show", "rule:admin_or_reader", "GET"),
    Rule("thing:own", "user_id:%(target.user.id)s", "GET"),
    Rule("thing:system", "system:all", "GET"),
]
READER = Caller(user_id="u", scope=Scope("p"), roles=("reader",))
ADMIN = Caller(user_id="a", scope=Scope(system=True), roles=("admin",))


def test_a_reader_sees_what_is_of_their_project() -> None:
    policy = Policy(RULES, None)
    assert policy.allows(READER, "thing:show", {"project_id": "p"})
    assert policy.allows(READER, "thing:show", None)
    assert not policy.allows(READER, "thing:show", {"project_id": "q"})
    assert policy.allows(ADMIN, "thing:show", {"project_id": "q"})


def test_without_a_project_one_owns_nothing_not_even_what_no_project_has() -> None:
    policy = Policy(RULES, None)
    nowhere = Caller(user_id="u", scope=Scope(domain_id="d"), roles=("reader",))
    assert not policy.allows(nowhere, "thing:show", {"project_id": None})
    assert not policy.allows(nowhere, "thing:show", None)


def test_nested_names_of_a_target_are_plain_keys() -> None:
    policy = Policy(RULES, None)
    assert policy.allows(READER, "thing:own", {"target.user.id": "u"})
    assert not policy.allows(READER, "thing:own", {"target.user.id": "v"})


def test_system_scope_is_known_to_rules() -> None:
    policy = Policy(RULES, None)
    assert policy.allows(ADMIN, "thing:system", {})
    assert not policy.allows(READER, "thing:system", {})


def test_a_rule_nobody_registered_is_a_mistake() -> None:
    with pytest.raises(PolicyNotRegistered):
        Policy(RULES, None).allows(ADMIN, "thing:unknown", {})


def test_an_operators_file_is_followed_while_running(tmp_path: Path) -> None:
    clock = [100.0]
    policy = Policy(RULES, tmp_path, clock=lambda: clock[0])
    assert policy.allows(READER, "thing:show", None)
    (tmp_path / "mine.yaml").write_text('"thing:show": "rule:admin_required"\n')
    assert policy.allows(READER, "thing:show", None), "not looked again yet"
    clock[0] += 10
    assert not policy.allows(READER, "thing:show", None)
    assert policy.allows(ADMIN, "thing:show", None)
