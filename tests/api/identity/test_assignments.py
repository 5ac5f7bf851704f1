"""Roles: given and taken on projects, domains and the system, inherited, listed as effective."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.identity.conftest import Cloud

V3 = "/identity/v3"


def _people(cloud: Cloud) -> dict[str, str]:
    return {
        "users": cloud.make("user", name="ann", password="secret")["id"],
        "groups": cloud.make("group", name="crew")["id"],
    }


@pytest.mark.parametrize("holder", ["users", "groups"])
@pytest.mark.parametrize(
    ("target", "inherited"),
    [
        ("projects", False),
        ("projects", True),
        ("domains", False),
        ("domains", True),
        ("system", False),
    ],
)
def test_a_role_is_given_seen_and_taken(
    cloud: Cloud, holder: str, target: str, inherited: bool
) -> None:
    place = {"domains": "/domains/default", "system": "/system"}.get(target)
    if place is None:
        place = f"/projects/{cloud.make('project', name='demo')['id']}"
    start = f"{V3}/OS-INHERIT" if inherited else V3
    end = "/inherited_to_projects" if inherited else ""
    many = f"{start}{place}/{holder}/{_people(cloud)[holder]}/roles"
    one = f"{many}/{cloud.role_id('member')}{end}"
    admin = cloud.admin
    assert admin.head(one).status_code == 404
    assert admin.delete(one).status_code == 404
    assert [admin.put(one).status_code for _ in range(2)] == [204, 204]
    assert admin.head(one).status_code == 204
    assert admin.get(one).status_code == 204
    listed = admin.get(f"{many}{end}").json()["roles"]
    assert [role["name"] for role in listed] == ["member"]
    assignments = admin.get(f"{V3}/role_assignments").json()["role_assignments"]
    assert one in "".join(entry["links"]["assignment"] for entry in assignments)
    assert admin.delete(one).status_code == 204
    assert admin.get(f"{many}{end}").json()["roles"] == []


def test_an_assignment_of_what_does_not_exist_is_not_found(cloud: Cloud) -> None:
    known = {
        "project": cloud.make("project", name="demo")["id"],
        "user": _people(cloud)["users"],
        "role": cloud.role_id("member"),
    }
    for unknown in known:
        ids = {**known, unknown: "0" * 32}
        path = f"{V3}/projects/{ids['project']}/users/{ids['user']}/roles/{ids['role']}"
        assert cloud.admin.put(path).status_code == 404, unknown
        assert cloud.admin.delete(path).status_code == 404, unknown


def _assignments(cloud: Cloud, **filters: str) -> list[dict[str, Any]]:
    answer = cloud.admin.get(f"{V3}/role_assignments", params=filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["role_assignments"]
    return found


def test_effective_assignments_expand_groups_inheritance_and_implied_roles(cloud: Cloud) -> None:
    people = _people(cloud)
    admin = cloud.admin
    top = cloud.make("project", name="top")["id"]
    below = cloud.make("project", name="below", parent_id=top)["id"]
    assert admin.put(f"{V3}/groups/{people['groups']}/users/{people['users']}").status_code == 204
    given = f"/projects/{top}/groups/{people['groups']}/roles/{cloud.role_id('member')}"
    inherited = f"{V3}/OS-INHERIT{given}/inherited_to_projects"
    assert admin.put(inherited).status_code == 204
    (standing,) = _assignments(cloud, **{"group.id": people["groups"]})
    assert standing["scope"] == {"project": {"id": top}, "OS-INHERIT:inherited_to": "projects"}
    effective = _assignments(
        cloud, **{"user.id": people["users"], "effective": "", "include_names": "1"}
    )
    assert {entry["role"]["name"] for entry in effective} == {"member", "reader"}
    for entry in effective:
        assert entry["scope"]["project"]["id"] == below
        assert entry["scope"]["project"]["domain"] == {"id": "default", "name": "Default"}
        assert entry["user"]["name"] == "ann"
        assert entry["links"]["assignment"].endswith(inherited)
        assert entry["links"]["membership"].endswith(
            f"/groups/{people['groups']}/users/{people['users']}"
        )
    scope = {"project": {"id": below}}
    assert cloud.login("ann", "secret", scope).status_code == 201
    assert cloud.login("ann", "secret", {"project": {"id": top}}).status_code == 401
    ann = cloud.client("ann", "secret")
    projects = ann.get(f"{V3}/auth/projects").json()["projects"]
    assert [project["name"] for project in projects] == ["below"]


def test_a_role_inherited_from_the_domain_counts_on_its_projects(cloud: Cloud) -> None:
    user = _people(cloud)["users"]
    project = cloud.make("project", name="demo")["id"]
    path = f"{V3}/OS-INHERIT/domains/default/users/{user}/roles/{cloud.role_id('reader')}"
    assert cloud.admin.put(f"{path}/inherited_to_projects").status_code == 204
    answer = cloud.login("ann", "secret", {"project": {"id": project}})
    assert [role["name"] for role in answer.json()["token"]["roles"]] == ["reader"]
    found = _assignments(cloud, effective="true", **{"scope.project.id": project})
    assert [entry["user"]["id"] for entry in found] == [user]


def test_filters_that_exclude_each_other_are_refused(cloud: Cloud) -> None:
    for filters in (
        {"user.id": "x", "group.id": "y"},
        {"scope.project.id": "x", "scope.domain.id": "y"},
        {"effective": "1", "group.id": "x"},
        {"include_subtree": "1"},
    ):
        answer = cloud.admin.get(f"{V3}/role_assignments", params=filters)
        assert answer.status_code == 400, filters


def test_assignments_are_filtered(cloud: Cloud) -> None:
    user, _ = cloud.member()
    role = cloud.role_id("member")
    for filters in (
        {"user.id": user["id"]},
        {"role.id": role},
        {
            "scope.project.id": cloud.admin.get(f"{V3}/projects?name=demo").json()["projects"][0][
                "id"
            ]
        },
    ):
        (entry,) = _assignments(cloud, **filters)
        assert entry["user"] == {"id": user["id"]}
        assert entry["role"] == {"id": role}
    (system,) = _assignments(cloud, **{"scope.system": "all"})
    assert system["scope"] == {"system": {"all": True}}


def test_implied_roles_are_ruled_and_seen(cloud: Cloud) -> None:
    role = cloud.make("role", name="driver")
    member = cloud.role_id("member")
    path = f"{V3}/roles/{role['id']}/implies"
    assert cloud.admin.head(f"{path}/{member}").status_code == 404
    made = cloud.admin.put(f"{path}/{member}")
    assert made.status_code == 201
    assert made.json()["role_inference"]["implies"]["name"] == "member"
    assert cloud.admin.head(f"{path}/{member}").status_code == 204
    shown = cloud.admin.get(path).json()["role_inference"]
    assert [one["name"] for one in shown["implies"]] == ["member"]
    rules = cloud.admin.get(f"{V3}/role_inferences").json()["role_inferences"]
    assert {rule["prior_role"]["name"] for rule in rules} == {"admin", "member", "driver"}
    user = cloud.make("user", name="ann", password="secret")
    project = cloud.make("project", name="demo")
    cloud.give(user["id"], "driver", project["id"])
    ann = cloud.client("ann", "secret", project="demo")
    shown = ann.get(f"{V3}/auth/tokens", headers={"X-Subject-Token": ann.headers["X-Auth-Token"]})
    names = [one["name"] for one in shown.json()["token"]["roles"]]
    assert names == ["driver", "member", "reader"]
    assert cloud.admin.delete(f"{path}/{member}").status_code == 204
    assert ann.get(f"{V3}/auth/projects").status_code == 401
