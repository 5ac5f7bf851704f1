"""Tokens: what they say, who gets one, and when they stop being good."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.api.identity.conftest import ADMIN_PASSWORD, Cloud, bootstrapped

TOKENS = "/identity/v3/auth/tokens"
ADMIN_PROJECT = {"project": {"name": "admin", "domain": {"name": "Default"}}}


def test_bootstrap_changes_nothing_the_second_time(cloud: Cloud) -> None:
    assert bootstrapped(cloud.service) is False


def test_a_project_token_says_who_where_and_what(cloud: Cloud) -> None:
    answer = cloud.login("admin", ADMIN_PASSWORD, ADMIN_PROJECT)
    assert answer.status_code == 201
    assert answer.headers["X-Subject-Token"]
    token = answer.json()["token"]
    assert token["methods"] == ["password"]
    assert token["user"]["name"] == "admin"
    assert token["user"]["domain"] == {"id": "default", "name": "Default"}
    assert token["user"]["password_expires_at"] is None
    assert token["project"]["name"] == "admin"
    assert token["is_domain"] is False
    assert sorted(role["name"] for role in token["roles"]) == ["admin", "member", "reader"]
    assert all(role["id"] for role in token["roles"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", token["expires_at"])
    assert {one["type"] for one in token["catalog"]} >= {"identity", "compute", "network", "image"}


def test_an_unscoped_token_has_neither_roles_nor_catalogue(cloud: Cloud) -> None:
    token = cloud.login("admin", ADMIN_PASSWORD, "unscoped").json()["token"]
    assert not {"roles", "catalog", "project"} & set(token)


def test_a_system_token_is_for_the_system(cloud: Cloud) -> None:
    token = cloud.login("admin", ADMIN_PASSWORD, {"system": {"all": True}}).json()["token"]
    assert token["system"] == {"all": True}
    assert "admin" in {role["name"] for role in token["roles"]}


def test_a_domain_token_needs_a_role_on_the_domain(cloud: Cloud) -> None:
    scope = {"domain": {"id": "default"}}
    assert cloud.login("admin", ADMIN_PASSWORD, scope).status_code == 401
    user = cloud.admin.get("/identity/v3/users?name=admin").json()["users"][0]
    role = cloud.role_id("member")
    path = f"/identity/v3/domains/default/users/{user['id']}/roles/{role}"
    assert cloud.admin.put(path).status_code == 204
    token = cloud.login("admin", ADMIN_PASSWORD, scope).json()["token"]
    assert token["domain"] == {"id": "default", "name": "Default"}
    assert {one["name"] for one in token["roles"]} == {"member", "reader"}


def test_nocatalog_leaves_the_catalogue_out(cloud: Cloud) -> None:
    client = cloud.admin
    token = client.headers["X-Auth-Token"]
    shown = client.get(f"{TOKENS}?nocatalog", headers={"X-Subject-Token": token}).json()["token"]
    assert "catalog" not in shown
    assert "roles" in shown


def test_the_default_project_is_entered_without_asking(cloud: Cloud) -> None:
    project = cloud.make("project", name="home")
    user = cloud.make("user", name="ann", password="secret", default_project_id=project["id"])
    assert "project" not in cloud.login("ann", "secret").json()["token"]
    cloud.give(user["id"], "reader", project["id"])
    assert cloud.login("ann", "secret").json()["token"]["project"]["id"] == project["id"]
    assert "project" not in cloud.login("ann", "secret", "unscoped").json()["token"]


@pytest.mark.parametrize(
    ("name", "password"), [("admin", "wrong"), ("nobody", "wrong"), ("admin", "")]
)
def test_every_failed_login_has_the_same_answer(cloud: Cloud, name: str, password: str) -> None:
    answer = cloud.login(name, password)
    assert answer.status_code == 401
    assert answer.json()["error"] == {
        "code": 401,
        "message": "The request you have made requires authentication.",
        "title": "Unauthorized",
    }


def test_unknown_and_forbidden_projects_look_alike(cloud: Cloud) -> None:
    cloud.make("user", name="ann", password="secret")
    other = cloud.make("project", name="other")
    answers = [
        cloud.login("ann", "secret", {"project": {"id": project_id}})
        for project_id in (other["id"], "0" * 32)
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()


MALFORMED: list[dict[str, Any]] = [
    {},
    {"identity": {"methods": []}},
    {"identity": {"methods": ["password"]}},
    {"identity": {"methods": ["password"], "password": {"user": {"password": "x"}}}},
    {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "admin", "password": "x"}},
        }
    },
    {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "admin", "password": 7}},
        }
    },
]


def test_a_malformed_login_is_a_bad_request(cloud: Cloud) -> None:
    for auth in MALFORMED:
        answer = cloud.anonymous().post(TOKENS, json={"auth": auth})
        assert answer.status_code == 400, auth


def test_a_refused_login_does_not_repeat_the_password(cloud: Cloud) -> None:
    user = {"name": "admin", "password": "hunter2", "unknown": "hunter2"}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    answer = cloud.anonymous().post(TOKENS, json={"auth": auth})
    assert answer.status_code == 400
    assert "hunter2" not in answer.text


def test_an_unsupported_method_is_unauthorized(cloud: Cloud) -> None:
    auth = {"identity": {"methods": ["saml2"]}}
    assert cloud.anonymous().post(TOKENS, json={"auth": auth}).status_code == 401


def test_a_token_is_rescoped_and_lives_no_longer(cloud: Cloud) -> None:
    first = cloud.login("admin", ADMIN_PASSWORD, "unscoped")
    auth = {
        "identity": {"methods": ["token"], "token": {"id": first.headers["X-Subject-Token"]}},
        "scope": ADMIN_PROJECT,
    }
    second = cloud.anonymous().post(TOKENS, json={"auth": auth})
    assert second.status_code == 201
    old, new = first.json()["token"], second.json()["token"]
    assert new["expires_at"] == old["expires_at"]
    assert new["audit_ids"][1] == old["audit_ids"][0]
    assert set(new["methods"]) == {"token", "password"}


def test_a_revoked_token_is_not_found_and_not_accepted(cloud: Cloud) -> None:
    admin, other = cloud.admin, cloud.client()
    subject = {"X-Subject-Token": other.headers["X-Auth-Token"]}
    assert admin.head(TOKENS, headers=subject).status_code == 200
    assert admin.delete(TOKENS, headers=subject).status_code == 204
    assert admin.get(TOKENS, headers=subject).status_code == 404
    assert other.get("/identity/v3/auth/projects").status_code == 401
    assert admin.get("/identity/v3/auth/projects").status_code == 200


def test_revoking_a_token_leaves_those_made_from_it(cloud: Cloud) -> None:
    first = cloud.login("admin", ADMIN_PASSWORD, "unscoped").headers["X-Subject-Token"]
    auth = {"identity": {"methods": ["token"], "token": {"id": first}}, "scope": ADMIN_PROJECT}
    second = cloud.anonymous().post(TOKENS, json={"auth": auth}).headers["X-Subject-Token"]
    client = cloud.admin
    assert client.delete(TOKENS, headers={"X-Subject-Token": first}).status_code == 204
    assert client.get(TOKENS, headers={"X-Subject-Token": second}).status_code == 200


def test_nobody_checks_the_token_of_another(cloud: Cloud) -> None:
    cloud.member()
    ann, admin = cloud.client("ann", "secret", project="demo"), cloud.admin
    subject = {"X-Subject-Token": admin.headers["X-Auth-Token"]}
    assert ann.get(TOKENS, headers=subject).status_code == 403
    assert ann.delete(TOKENS, headers=subject).status_code == 403
    own = {"X-Subject-Token": ann.headers["X-Auth-Token"]}
    assert ann.get(TOKENS, headers=own).status_code == 200


@pytest.mark.parametrize("subject", ["", "rubbish", "a.b.c"])
def test_what_is_no_token_is_not_found(cloud: Cloud, subject: str) -> None:
    answer = cloud.admin.get(TOKENS, headers={"X-Subject-Token": subject})
    assert answer.status_code == 404


def test_the_caller_sees_where_they_may_go(cloud: Cloud) -> None:
    cloud.member()
    ann = cloud.client("ann", "secret")
    projects = ann.get("/identity/v3/auth/projects").json()["projects"]
    assert [project["name"] for project in projects] == ["demo"]
    assert ann.get("/identity/v3/auth/domains").json()["domains"] == []
    assert ann.get("/identity/v3/auth/system").json()["system"] == []
    admin = cloud.admin
    assert admin.get("/identity/v3/auth/system").json()["system"] == [{"all": True}]
    assert admin.get("/identity/v3/auth/catalog").json()["catalog"]
    assert ann.get("/identity/v3/auth/catalog").status_code == 403
