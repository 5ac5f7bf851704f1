"""Application credentials: a program logs in with less than its user has, until told otherwise."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import openstack
import pytest

from freehold.store import utc_now
from tests.api.identity.conftest import ADMIN_PASSWORD, Cloud

V3 = "/identity/v3"


def _made(cloud: Cloud, **fields: Any) -> tuple[Any, dict[str, Any], str]:
    """A member with a credential; gives their client, the credential and its path."""
    user, _ = cloud.member()
    ann = cloud.client("ann", "secret", project="demo")
    path = f"{V3}/users/{user['id']}/application_credentials"
    answer = ann.post(path, json={"application_credential": {"name": "ci", **fields}})
    assert answer.status_code == 201, answer.text
    made = answer.json()["application_credential"]
    return ann, made, f"{path}/{made['id']}"


def _login(cloud: Cloud, proof: dict[str, Any], **more: Any) -> Any:
    identity = {"methods": ["application_credential"], "application_credential": proof}
    body = {"auth": {"identity": identity, **more}}
    return cloud.anonymous().post(f"{V3}/auth/tokens", json=body)


def _proof(made: dict[str, Any]) -> dict[str, Any]:
    return {"id": made["id"], "secret": made["secret"]}


def test_the_secret_is_shown_once(cloud: Cloud) -> None:
    ann, made, path = _made(cloud)
    assert len(made["secret"]) > 80
    shown = ann.get(path).json()["application_credential"]
    assert "secret" not in shown
    assert {role["name"] for role in shown["roles"]} == {"member", "reader"}
    listed = ann.get(path.rsplit("/", 1)[0] + "?name=ci").json()["application_credentials"]
    assert listed == [shown]


@pytest.mark.parametrize("secret", [None, "chosen by the user"])
def test_a_program_logs_in_into_the_project(cloud: Cloud, secret: str | None) -> None:
    fields = {} if secret is None else {"secret": secret}
    _, made, _ = _made(cloud, roles=[{"name": "reader"}], **fields)
    answer = _login(cloud, _proof(made))
    assert answer.status_code == 201
    token = answer.json()["token"]
    assert token["project"]["name"] == "demo"
    assert [role["name"] for role in token["roles"]] == ["reader"]
    assert token["methods"] == ["application_credential"]
    entry = {"id": made["id"], "name": "ci", "restricted": True}
    assert token["application_credential"] == entry
    named = {"name": "ci", "user": {"name": "ann", "domain": {"id": "default"}}}
    assert _login(cloud, {**named, "secret": made["secret"]}).status_code == 201


def test_a_wrong_secret_and_an_unknown_id_are_refused_alike(cloud: Cloud) -> None:
    _, made, _ = _made(cloud)
    answers = [
        _login(cloud, {"id": made["id"], "secret": "wrong"}),
        _login(cloud, {"id": "0" * 32, "secret": made["secret"]}),
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()


def test_the_scope_cannot_be_changed(cloud: Cloud) -> None:
    _, made, _ = _made(cloud)
    assert _login(cloud, _proof(made), scope={"system": {"all": True}}).status_code == 401
    token = _login(cloud, _proof(made)).headers["X-Subject-Token"]
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}}
    assert cloud.anonymous().post(f"{V3}/auth/tokens", json={"auth": auth}).status_code == 401


def test_deleting_the_credential_voids_its_tokens_only(cloud: Cloud) -> None:
    ann, made, path = _made(cloud)
    program = cloud.anonymous()
    program.headers["X-Auth-Token"] = _login(cloud, _proof(made)).headers["X-Subject-Token"]
    assert program.get(f"{V3}/auth/projects").status_code == 200
    assert ann.delete(path).status_code == 204
    assert program.get(f"{V3}/auth/projects").status_code == 401
    assert ann.get(path).status_code == 404
    assert _login(cloud, _proof(made)).status_code == 401


def test_a_program_has_no_more_than_its_user_still_has(cloud: Cloud) -> None:
    user, grant = cloud.member()
    ann = cloud.client("ann", "secret", project="demo")
    path = f"{V3}/users/{user['id']}/application_credentials"
    body = {"application_credential": {"name": "ci"}}
    made = ann.post(path, json=body).json()["application_credential"]
    assert cloud.admin.delete(grant).status_code == 204
    assert _login(cloud, _proof(made)).status_code == 401
    project_id = grant.split("/projects/")[1].split("/")[0]
    cloud.give(user["id"], "reader", project_id)
    roles = _login(cloud, _proof(made)).json()["token"]["roles"]
    assert [role["name"] for role in roles] == ["reader"]


def test_a_restricted_program_makes_no_credentials(cloud: Cloud) -> None:
    _, made, path = _made(cloud)
    program = cloud.anonymous()
    program.headers["X-Auth-Token"] = _login(cloud, _proof(made)).headers["X-Subject-Token"]
    many = path.rsplit("/", 1)[0]
    body = {"application_credential": {"name": "more"}}
    assert program.post(many, json=body).status_code == 403
    assert program.delete(path).status_code == 403


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"roles": [{"name": "admin"}]}, 400),
        ({"expires_at": "yesterday"}, 400),
        ({"expires_at": "2001-01-01T00:00:00Z"}, 400),
        ({"access_rules": [{"path": "/x", "method": "GET", "service": "compute"}]}, 400),
        ({"unknown": 1}, 400),
        ({"name": "ci"}, 409),
    ],
)
def test_a_bad_credential_is_refused(cloud: Cloud, fields: dict[str, Any], status: int) -> None:
    ann, _, path = _made(cloud)
    body = {"application_credential": {"name": "other", **fields}}
    assert ann.post(path.rsplit("/", 1)[0], json=body).status_code == status


def test_a_token_ends_with_its_credential(cloud: Cloud) -> None:
    ends = (
        (utc_now() + timedelta(minutes=5)).replace(tzinfo=None).isoformat(timespec="microseconds")
    )
    _, made, _ = _made(cloud, expires_at=ends)
    assert made["expires_at"] == ends
    token = _login(cloud, _proof(made)).json()["token"]
    assert token["expires_at"] == f"{ends}Z"


def test_nobody_makes_credentials_for_another(cloud: Cloud) -> None:
    user, _ = cloud.member()
    path = f"{V3}/users/{user['id']}/application_credentials"
    body = {"application_credential": {"name": "spy"}}
    assert cloud.admin.post(path, json=body).status_code == 403


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_the_sdk_logs_in_with_a_credential(served: str) -> None:
    options: dict[str, Any] = {"load_yaml_config": False, "load_envvars": False}
    auth = {
        "auth_url": f"{served}/identity",
        "username": "admin",
        "password": ADMIN_PASSWORD,
        "user_domain_id": "default",
        "project_domain_id": "default",
        "project_name": "admin",
    }
    with openstack.connect(auth=auth, **options) as admin:
        made = admin.identity.create_application_credential(admin.current_user_id, "terraform")
        program_auth = {
            "auth_url": f"{served}/identity",
            "application_credential_id": made.id,
            "application_credential_secret": made.secret,
        }
        with openstack.connect(
            auth=program_auth, auth_type="v3applicationcredential", **options
        ) as program:
            assert program.current_project_id == admin.current_project_id
            assert program.identity.get_user(admin.current_user_id).name == "admin"
