"""Credentials and EC2 pairs: kept encrypted, shown to their owner only."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from freehold.identity.credential import Credential
from tests.api.identity.conftest import Cloud

PATH = "/identity/v3/credentials"


@pytest.fixture
def ann(cloud: Cloud) -> TestClient:
    cloud.member()
    return cloud.client("ann", "secret", project="demo")


def _me(client: TestClient) -> tuple[str, str]:
    token = client.headers["X-Auth-Token"]
    path = "/identity/v3/auth/tokens"
    shown = client.get(path, headers={"X-Subject-Token": token}).json()["token"]
    return shown["user"]["id"], shown["project"]["id"]


def _wish(client: TestClient, **fields: Any) -> dict[str, Any]:
    user, _ = _me(client)
    return {"credential": {"type": "cert", "blob": "planted-secret", "user_id": user} | fields}


def _made(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(PATH, json=_wish(client, **fields))
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()["credential"]
    return shown


def test_a_credential_is_kept_changed_and_forgotten(ann: TestClient) -> None:
    made = _made(ann)
    one = f"{PATH}/{made['id']}"
    assert ann.get(one).json()["credential"] == made
    changed = ann.patch(one, json={"credential": {"blob": "another"}}).json()["credential"]
    assert changed == made | {"blob": "another"}
    assert ann.patch(one, json={"credential": {"type": "other"}}).status_code == 400
    assert [row["id"] for row in ann.get(PATH).json()["credentials"]] == [made["id"]]
    assert ann.delete(one).status_code == 204
    assert ann.get(PATH).json()["credentials"] == []


def test_the_database_holds_no_credential_that_can_be_read(cloud: Cloud, ann: TestClient) -> None:
    _made(ann)
    with cloud.service.store.read() as session:
        (kept,) = session.scalars(select(Credential.sealed))
    assert b"planted-secret" not in kept
    assert b"planted-secret" not in base64.urlsafe_b64decode(kept)


def test_nobody_else_sees_a_credential_but_the_operator(cloud: Cloud, ann: TestClient) -> None:
    made = _made(ann)
    cloud.member("bob", "other")
    bob = cloud.client("bob", "secret", project="other")
    for method, body in (("GET", None), ("PATCH", {"credential": {"blob": ""}}), ("DELETE", None)):
        answers = [
            bob.request(method, f"{PATH}/{id_}", json=body) for id_ in (made["id"], "unknown")
        ]
        assert [answer.status_code for answer in answers] == [403, 403]
        assert answers[0].json() == answers[1].json()
    assert bob.get(PATH).json()["credentials"] == []
    assert bob.post(PATH, json=_wish(ann)).status_code == 403
    assert cloud.admin.get(f"{PATH}/{made['id']}").json()["credential"] == made


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "ec2", "blob": '{"access": "a", "secret": "b"}'},
        {"type": "ec2", "blob": "no json", "project_id": "demo"},
        {"type": "ec2", "blob": "[]", "project_id": "demo"},
        {"blob": "a\0b"},
        {"blob": 7},
    ],
)
def test_a_bad_credential_is_refused_without_being_repeated(
    ann: TestClient, fields: dict[str, Any]
) -> None:
    if "project_id" in fields:
        fields = fields | {"project_id": _me(ann)[1]}
    answer = ann.post(PATH, json=_wish(ann, **fields))
    assert answer.status_code == 400, answer.text
    assert "no json" not in answer.text


def test_ec2_pairs_are_credentials_that_their_access_key_finds(ann: TestClient) -> None:
    user, project = _me(ann)
    pairs = f"/identity/v3/users/{user}/credentials/OS-EC2"
    pair = ann.post(pairs, json={"tenant_id": project}).json()["credential"]
    assert (pair["user_id"], pair["tenant_id"]) == (user, project)
    assert ann.get(f"{pairs}/{pair['access']}").json()["credential"] == pair
    assert ann.get(pairs).json()["credentials"] == [pair]
    (row,) = ann.get(f"{PATH}?type=ec2").json()["credentials"]
    assert json.loads(row["blob"])["secret"] == pair["secret"]
    own = {"type": "ec2", "blob": row["blob"], "project_id": project}
    assert ann.post(PATH, json=_wish(ann, **own)).status_code == 409
    assert ann.delete(f"{pairs}/{pair['access']}").status_code == 204
    assert ann.get(f"{pairs}/{pair['access']}").status_code == 404


def test_a_restricted_application_credential_makes_no_credentials(
    cloud: Cloud, ann: TestClient
) -> None:
    user, _ = _me(ann)
    path = f"/identity/v3/users/{user}/application_credentials"
    made = ann.post(path, json={"application_credential": {"name": "robot"}}).json()
    proof = {name: made["application_credential"][name] for name in ("id", "secret")}
    identity = {"methods": ["application_credential"], "application_credential": proof}
    login = cloud.anonymous().post(
        "/identity/v3/auth/tokens", json={"auth": {"identity": identity}}
    )
    robot = cloud.anonymous()
    robot.headers["X-Auth-Token"] = login.headers["X-Subject-Token"]
    assert robot.post(PATH, json=_wish(ann)).status_code == 403


def test_credentials_go_with_their_user(cloud: Cloud, ann: TestClient) -> None:
    made = _made(ann)
    assert cloud.admin.delete(f"/identity/v3/users/{_me(ann)[0]}").status_code == 204
    assert cloud.admin.get(f"{PATH}/{made['id']}").status_code == 404


def test_an_operator_keeps_policy_documents(cloud: Cloud, ann: TestClient) -> None:
    path = "/identity/v3/policies"
    wish = {"policy": {"type": "application/json", "blob": "{}"}}
    assert ann.post(path, json=wish).status_code == 403
    made = cloud.admin.post(path, json=wish).json()["policy"]
    changed = cloud.admin.patch(f"{path}/{made['id']}", json={"policy": {"blob": "[]"}})
    assert changed.json()["policy"] == made | {"blob": "[]"}
    assert [row["id"] for row in cloud.admin.get(path).json()["policies"]] == [made["id"]]
    assert cloud.admin.delete(f"{path}/{made['id']}").status_code == 204
    assert cloud.admin.get(f"{path}/{made['id']}").status_code == 404


def test_a_role_given_after_login_can_be_passed_on(cloud: Cloud, ann: TestClient) -> None:
    user, project = _me(ann)
    role = cloud.make("role", name="backup")
    path = f"/identity/v3/users/{user}/application_credentials"
    wish = {"application_credential": {"name": "a", "roles": [{"id": role["id"]}]}}
    assert ann.post(path, json=wish).status_code == 400
    cloud.give(user, "backup", project)
    made = ann.post(path, json=wish)
    assert made.status_code == 201, made.text
    assert [r["name"] for r in made.json()["application_credential"]["roles"]] == ["backup"]
