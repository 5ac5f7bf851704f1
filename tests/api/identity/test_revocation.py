"""Whatever takes rights away voids the tokens that carry them, and a new login works at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from freehold.store import utc_now
from tests.api.identity.conftest import Cloud

V3 = "/identity/v3"


def _disable_user(admin: TestClient, user: dict[str, Any], grant: str) -> Any:
    return admin.patch(f"{V3}/users/{user['id']}", json={"user": {"enabled": False}})


def _new_password(admin: TestClient, user: dict[str, Any], grant: str) -> Any:
    return admin.patch(f"{V3}/users/{user['id']}", json={"user": {"password": "other"}})


def _delete_user(admin: TestClient, user: dict[str, Any], grant: str) -> Any:
    return admin.delete(f"{V3}/users/{user['id']}")


def _take_role(admin: TestClient, user: dict[str, Any], grant: str) -> Any:
    return admin.delete(grant)


def _project_id(admin: TestClient) -> str:
    return str(admin.get(f"{V3}/projects?name=demo").json()["projects"][0]["id"])


def _disable_project(admin: TestClient, user: dict[str, Any], grant: str) -> Any:
    return admin.patch(f"{V3}/projects/{_project_id(admin)}", json={"project": {"enabled": False}})


def _delete_project(admin: TestClient, user: dict[str, Any], grant: str) -> Any:
    return admin.delete(f"{V3}/projects/{_project_id(admin)}")


@pytest.mark.parametrize(
    "takes",
    [_disable_user, _new_password, _delete_user, _take_role, _disable_project, _delete_project],
)
def test_a_token_is_void_when_its_rights_are_gone(
    cloud: Cloud, takes: Callable[[TestClient, dict[str, Any], str], Any]
) -> None:
    user, grant = cloud.member()
    ann, admin = cloud.client("ann", "secret", project="demo"), cloud.admin
    assert ann.get(f"{V3}/users/{user['id']}").status_code == 200
    assert takes(admin, user, grant).status_code in (200, 204)
    assert ann.get(f"{V3}/users/{user['id']}").status_code == 401
    assert admin.get(f"{V3}/users").status_code == 200


def test_a_login_right_after_a_revocation_is_good(cloud: Cloud) -> None:
    user, _ = cloud.member()
    old = cloud.client("ann", "secret", project="demo")
    body = {"user": {"original_password": "secret", "password": "better"}}
    answer = cloud.anonymous().post(f"{V3}/users/{user['id']}/password", json=body)
    assert answer.status_code == 204
    assert old.get(f"{V3}/users/{user['id']}").status_code == 401
    assert cloud.login("ann", "secret").status_code == 401
    fresh = cloud.client("ann", "better", project="demo")
    assert fresh.get(f"{V3}/users/{user['id']}").status_code == 200


def test_a_login_that_saw_the_old_rights_signs_a_token_that_is_void(cloud: Cloud) -> None:
    """The race: rights are read, then taken away and committed, then the token is signed."""
    user, grant = cloud.member()
    ann = cloud.client("ann", "secret", project="demo")
    tokens = cloud.service.app.state.access.tokens
    with cloud.service.store.read() as before:
        rights = tokens.read(before, ann.headers["X-Auth-Token"], utc_now())
        assert cloud.admin.delete(grant).status_code == 204
        late, _ = tokens.issue(rights, utc_now(), session=before)
    client = cloud.anonymous()
    client.headers["X-Auth-Token"] = late
    assert client.get(f"{V3}/users/{user['id']}").status_code == 401


def test_the_wrong_old_password_changes_nothing(cloud: Cloud) -> None:
    user, _ = cloud.member()
    body = {"user": {"original_password": "wrong", "password": "better"}}
    for user_id in (user["id"], "0" * 32):
        answer = cloud.anonymous().post(f"{V3}/users/{user_id}/password", json=body)
        assert answer.status_code == 401
    assert cloud.login("ann", "secret").status_code == 201


def test_a_removed_member_loses_what_the_group_gave(cloud: Cloud) -> None:
    project = cloud.make("project", name="demo")
    user = cloud.make("user", name="ann", password="secret")
    group = cloud.make("group", name="crew")
    admin, role = cloud.admin, cloud.role_id("member")
    assert admin.put(f"{V3}/groups/{group['id']}/users/{user['id']}").status_code == 204
    path = f"{V3}/projects/{project['id']}/groups/{group['id']}/roles/{role}"
    assert admin.put(path).status_code == 204
    ann = cloud.client("ann", "secret", project="demo")
    assert admin.delete(f"{V3}/groups/{group['id']}/users/{user['id']}").status_code == 204
    assert ann.get(f"{V3}/auth/projects").status_code == 401
    scope = {"project": {"id": project["id"]}}
    assert cloud.login("ann", "secret", scope).status_code == 401


def test_disabling_a_domain_locks_out_its_users(cloud: Cloud) -> None:
    domain = cloud.make("domain", name="lab")
    user = cloud.make("user", name="eve", password="secret", domain_id=domain["id"])
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"id": user["id"], "password": "secret"}},
            }
        }
    }
    anonymous = cloud.anonymous()
    token = anonymous.post(f"{V3}/auth/tokens", json=body).headers["X-Subject-Token"]
    admin = cloud.admin
    assert admin.delete(f"{V3}/domains/{domain['id']}").status_code == 403
    change = {"domain": {"enabled": False}}
    assert admin.patch(f"{V3}/domains/{domain['id']}", json=change).status_code == 200
    assert anonymous.post(f"{V3}/auth/tokens", json=body).status_code == 401
    who = {"X-Auth-Token": token}
    assert anonymous.get(f"{V3}/auth/projects", headers=who).status_code == 401
    assert admin.delete(f"{V3}/domains/{domain['id']}").status_code == 204
    assert admin.get(f"{V3}/users/{user['id']}").status_code == 404
