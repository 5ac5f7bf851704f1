"""Users, projects, domains, groups, roles, catalogue rows: create, change, find, delete."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from freehold.access import QuotaLimit
from tests.api.identity.conftest import Cloud

V3 = "/identity/v3"
KINDS = {
    "user": {"name": "thing"},
    "project": {"name": "thing"},
    "domain": {"name": "thing"},
    "group": {"name": "thing"},
    "role": {"name": "thing"},
    "service": {"type": "thing"},
    "region": {"id": "thing"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_lives_from_create_to_delete(cloud: Cloud, kind: str) -> None:
    path = f"{V3}/{kind}s"
    made = cloud.make(kind, **KINDS[kind], description="first", colour="red")
    one = f"{path}/{made['id']}"
    assert made["links"]["self"].endswith(one)
    assert made["colour"] == "red"
    assert cloud.admin.get(one).json()[kind] == made
    assert cloud.admin.head(one).status_code == 200
    change = {kind: {"description": "second", "size": {"deep": [1, None]}}}
    changed = cloud.admin.patch(one, json=change).json()[kind]
    assert changed == {**made, "description": "second", "size": {"deep": [1, None]}}
    listed = cloud.admin.get(path).json()
    assert made["id"] in [row["id"] for row in listed[f"{kind}s"]]
    assert listed["links"]["self"].endswith(path)
    assert (listed["links"]["next"], listed["links"]["previous"]) == (None, None)
    if kind == "domain":
        cloud.admin.patch(one, json={"domain": {"enabled": False}})
    assert cloud.admin.delete(one).status_code == 204
    gone = cloud.admin.get(one)
    assert gone.status_code == 404
    assert gone.json()["error"]["title"] == "Not Found"
    assert cloud.admin.delete(one).status_code == 404
    assert cloud.admin.patch(one, json=change).status_code == 404


@pytest.mark.parametrize("kind", ["user", "project", "domain", "group", "role"])
def test_a_name_is_taken_once(cloud: Cloud, kind: str) -> None:
    cloud.make(kind, name="twin")
    path = f"{V3}/{kind}s"
    assert cloud.admin.post(path, json={kind: {"name": "twin"}}).status_code == 409
    other = cloud.make(kind, name="other")
    change = {kind: {"name": "twin"}}
    assert cloud.admin.patch(f"{path}/{other['id']}", json=change).status_code == 409
    same = {kind: {"name": "other"}}
    assert cloud.admin.patch(f"{path}/{other['id']}", json=same).status_code == 200


@pytest.mark.parametrize("kind", ["user", "project", "group"])
def test_another_domain_has_names_of_its_own(cloud: Cloud, kind: str) -> None:
    domain = cloud.make("domain", name="lab")
    first = cloud.make(kind, name="twin")
    second = cloud.make(kind, name="twin", domain_id=domain["id"])
    found = cloud.admin.get(f"{V3}/{kind}s?name=twin&domain_id={domain['id']}").json()
    assert [row["id"] for row in found[f"{kind}s"]] == [second["id"]]
    moved = {kind: {"domain_id": domain["id"]}}
    assert cloud.admin.patch(f"{V3}/{kind}s/{first['id']}", json=moved).status_code == 400


@pytest.mark.parametrize("kind", ["user", "project", "domain", "group", "role"])
def test_a_bad_name_is_a_bad_request(cloud: Cloud, kind: str) -> None:
    for name in ("", "   ", "x" * 256, 7, None, "a\x00b", ["x"]):
        answer = cloud.admin.post(f"{V3}/{kind}s", json={kind: {"name": name}})
        assert answer.status_code == 400, name
        assert answer.json()["error"]["code"] == 400


BAD_FIELDS: list[tuple[str, dict[str, Any]]] = [
    ("user", {"enabled": "yes"}),
    ("user", {"options": {"multi_factor_auth_enabled": True}}),
    ("user", {"password": "x" * 4097}),
    ("user", {"bulk": "x" * 20_000}),
    ("user", {"nul": "a\x00b"}),
    ("project", {"tags": ["a,b"]}),
    ("project", {"tags": ["x"] * 81}),
    ("project", {"is_domain": True}),
    ("role", {"options": {"immutable": "yes"}}),
]


def test_a_bad_field_is_a_bad_request(cloud: Cloud) -> None:
    for kind, fields in BAD_FIELDS:
        answer = cloud.admin.post(f"{V3}/{kind}s", json={kind: {"name": "thing", **fields}})
        assert answer.status_code == 400, fields


@pytest.mark.parametrize("kind", ["user", "project", "group"])
def test_an_unknown_domain_is_not_found(cloud: Cloud, kind: str) -> None:
    body = {kind: {"name": "thing", "domain_id": "nowhere"}}
    assert cloud.admin.post(f"{V3}/{kind}s", json=body).status_code == 404


def test_names_like_templates_are_only_names(cloud: Cloud) -> None:
    name = "{{ lookup('pipe', 'id') }}"
    assert cloud.make("project", name=name)["name"] == name
    found = cloud.admin.get(f"{V3}/projects", params={"name": name}).json()["projects"]
    assert [row["name"] for row in found] == [name]


def test_a_password_is_never_shown(cloud: Cloud) -> None:
    user = cloud.make("user", name="ann", password="hunter2")
    shown = cloud.admin.get(f"{V3}/users/{user['id']}").text
    assert "hunter2" not in shown
    assert "argon2" not in shown
    with cloud.service.store.read() as session:
        rows = session.connection().exec_driver_sql("SELECT * FROM audit_records").fetchall()
    assert rows
    assert "hunter2" not in str(rows)


def test_lists_are_filtered_and_cut_into_pages(cloud: Cloud) -> None:
    for number in range(5):
        cloud.make("user", name=f"u{number}", enabled=number % 2 == 0)
    enabled = cloud.admin.get(f"{V3}/users?enabled=false").json()["users"]
    assert [user["name"] for user in enabled] == ["u1", "u3"]
    names: list[str] = []
    url: str | None = f"{V3}/users?limit=2"
    while url:
        body = cloud.admin.get(url).json()
        names += [user["name"] for user in body["users"]]
        url = body["links"]["next"]
    assert names == ["admin", "u0", "u1", "u2", "u3", "u4"]


def test_a_user_sees_themselves_and_nobody_else(cloud: Cloud) -> None:
    user, _ = cloud.member()
    other = cloud.make("user", name="bob")
    ann = cloud.client("ann", "secret", project="demo")
    assert ann.get(f"{V3}/users/{user['id']}").json()["user"]["email"] == "ann@example.org"
    unseen = [ann.get(f"{V3}/users/{user_id}") for user_id in (other["id"], "0" * 32)]
    assert [answer.status_code for answer in unseen] == [403, 403]
    assert unseen[0].json() == unseen[1].json()
    assert ann.get(f"{V3}/users/{user['id']}/projects").json()["projects"][0]["name"] == "demo"
    assert ann.get(f"{V3}/users/{user['id']}/groups").json()["groups"] == []


OPERATORS: list[tuple[str, str, Any]] = [
    ("GET", "/users", None),
    ("POST", "/users", {"user": {"name": "x"}}),
    ("GET", "/projects", None),
    ("POST", "/projects", {"project": {"name": "x"}}),
    ("GET", "/domains", None),
    ("POST", "/domains", {"domain": {"name": "x"}}),
    ("GET", "/roles", None),
    ("GET", "/groups", None),
    ("GET", "/role_assignments", None),
    ("GET", "/services", None),
    (
        "POST",
        "/endpoints",
        {"endpoint": {"service_id": "x", "interface": "public", "url": "http://x"}},
    ),
    ("DELETE", "/regions/RegionOne", None),
    ("PUT", "/system/users/x/roles/y", None),
]


def test_a_member_may_not_do_what_is_the_operators(cloud: Cloud) -> None:
    cloud.member()
    ann = cloud.client("ann", "secret", project="demo")
    for method, path, body in OPERATORS:
        assert ann.request(method, f"{V3}{path}", json=body).status_code == 403, path
        nobody = cloud.anonymous().request(method, f"{V3}{path}", json=body)
        assert nobody.status_code == 401, path


def test_projects_stand_below_projects(cloud: Cloud) -> None:
    top = cloud.make("project", name="top")
    below = cloud.make("project", name="below", parent_id=top["id"])
    assert (top["parent_id"], below["parent_id"]) == ("default", top["id"])
    listed = cloud.admin.get(f"{V3}/projects?parent_id={top['id']}").json()["projects"]
    assert [row["id"] for row in listed] == [below["id"]]
    shown = cloud.admin.get(f"{V3}/projects/{below['id']}?parents_as_ids").json()["project"]
    assert shown["parents"] == {top["id"]: {"default": None}}
    shown = cloud.admin.get(f"{V3}/projects/{top['id']}?subtree_as_ids").json()["project"]
    assert shown["subtree"] == {below["id"]: None}
    assert cloud.admin.delete(f"{V3}/projects/{top['id']}").status_code == 403
    off = {"project": {"enabled": False}}
    assert cloud.admin.patch(f"{V3}/projects/{top['id']}", json=off).status_code == 403


def test_the_quotas_of_a_project_go_with_it(cloud: Cloud) -> None:
    gone, stays = cloud.make("project", name="gone"), cloud.make("project", name="stays")
    for project in (gone, stays):
        path = f"/compute/v2.1/os-quota-sets/{project['id']}"
        assert cloud.admin.put(path, json={"quota_set": {"cores": 1}}).status_code == 200
        path = f"/network/v2.0/quotas/{project['id']}"
        assert cloud.admin.put(path, json={"quota": {"port": 1}}).status_code == 200
    assert cloud.admin.delete(f"{V3}/projects/{gone['id']}").status_code == 204
    with cloud.service.store.read() as session:
        left = session.scalars(select(QuotaLimit.project_id)).all()
    assert set(left) == {stays["id"]}


def test_projects_are_found_by_tags(cloud: Cloud) -> None:
    both = cloud.make("project", name="both", tags=["blue", "red"])
    cloud.make("project", name="one", tags=["blue"])

    def names(query: str) -> list[str]:
        rows = cloud.admin.get(f"{V3}/projects?{query}").json()["projects"]
        return [row["name"] for row in rows]

    assert names("tags=blue,red") == ["both"]
    assert names("tags-any=blue,red") == ["both", "one"]
    assert names("not-tags-any=red") == ["admin", "one"]
    path = f"{V3}/projects/{both['id']}/tags"
    assert cloud.admin.put(f"{path}/green").status_code == 201
    assert cloud.admin.head(f"{path}/green").status_code == 204
    assert cloud.admin.delete(f"{path}/red").status_code == 204
    assert cloud.admin.get(path).json()["tags"] == ["blue", "green"]
    assert cloud.admin.put(path, json={"tags": ["x"]}).json()["tags"] == ["x"]
    assert cloud.admin.delete(path).status_code == 204
    assert cloud.admin.get(path).json()["tags"] == []


def test_an_immutable_role_stays(cloud: Cloud) -> None:
    path = f"{V3}/roles/{cloud.role_id('admin')}"
    assert cloud.admin.delete(path).status_code == 403
    assert cloud.admin.patch(path, json={"role": {"name": "root"}}).status_code == 403
    lifted = {"role": {"options": {"immutable": None}}}
    assert cloud.admin.patch(path, json=lifted).json()["role"]["options"] == {}


def test_an_endpoint_appears_in_the_catalogue(cloud: Cloud) -> None:
    service = cloud.make("service", type="object-store", name="swift")
    endpoint = cloud.make(
        "endpoint",
        service_id=service["id"],
        interface="public",
        region="Elsewhere",
        url="http://swift/v1/AUTH_$(project_id)s",
    )
    assert endpoint["region_id"] == "Elsewhere"
    catalog = cloud.admin.get(f"{V3}/auth/catalog").json()["catalog"]
    (entry,) = [one for one in catalog if one["type"] == "object-store"]
    project = cloud.admin.get(f"{V3}/projects?name=admin").json()["projects"][0]["id"]
    assert entry["endpoints"][0]["url"] == f"http://swift/v1/AUTH_{project}"
    assert cloud.admin.delete(f"{V3}/regions/Elsewhere").status_code == 409
    off = {"endpoint": {"enabled": False}}
    assert cloud.admin.patch(f"{V3}/endpoints/{endpoint['id']}", json=off).status_code == 200
    catalog = cloud.admin.get(f"{V3}/auth/catalog").json()["catalog"]
    assert "object-store" not in {one["type"] for one in catalog}
    assert cloud.admin.delete(f"{V3}/services/{service['id']}").status_code == 204
    assert cloud.admin.get(f"{V3}/endpoints/{endpoint['id']}").status_code == 404


def test_an_unknown_path_answers_in_the_apis_form(cloud: Cloud) -> None:
    answer = cloud.admin.get(f"{V3}/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == 404
