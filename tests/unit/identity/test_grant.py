"""An assignment as a value: its key is unique, its path is where the API keeps it."""

from __future__ import annotations

import itertools

import pytest

from freehold.identity.assignment import Grant

GRANTS = {
    "/system/users/u/roles/r": Grant("r", user_id="u", system=True),
    "/projects/p/users/u/roles/r": Grant("r", user_id="u", project_id="p"),
    "/domains/d/groups/g/roles/r": Grant("r", group_id="g", domain_id="d"),
    "/OS-INHERIT/domains/d/groups/g/roles/r/inherited_to_projects": Grant(
        "r", group_id="g", domain_id="d", inherited=True
    ),
}


@pytest.mark.parametrize("path", GRANTS)
def test_the_path_names_target_holder_and_role(path: str) -> None:
    assert GRANTS[path].path == path


def test_different_assignments_have_different_keys() -> None:
    every = [
        Grant(role, inherited=inherited, **holder, **target)  # type: ignore[arg-type]
        for role, inherited, holder, target in itertools.product(
            ("r1", "r2"),
            (False, True),
            ({"user_id": "x"}, {"group_id": "x"}, {"user_id": "y"}),
            ({"project_id": "x"}, {"domain_id": "x"}, {"system": True}, {"project_id": "y"}),
        )
    ]
    assert len({one.key for one in every}) == len(every)
