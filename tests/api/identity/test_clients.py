"""Stock clients as oracles: openstacksdk and the ``openstack`` command, over loopback."""

from __future__ import annotations

from typing import Any

import openstack
import pytest
from openstack.connection import Connection
from openstack.exceptions import (
    ConflictException,
    ForbiddenException,
    NotFoundException,
    SDKException,
)

from tests.api.identity.conftest import ADMIN_PASSWORD
from tests.support.stock_client import openstack_lines

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


def _connect(
    url: str, name: str = "admin", password: str = ADMIN_PASSWORD, **more: Any
) -> Connection:
    auth = {
        "auth_url": f"{url}/identity",
        "username": name,
        "password": password,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "project_name": "admin",
    }
    return openstack.connect(load_yaml_config=False, load_envvars=False, auth=auth | more)


def test_the_sdk_manages_projects_users_and_roles(served: str) -> None:
    with _connect(served) as admin:
        project = admin.identity.create_project(name="sdk", description="made by a client")
        user = admin.identity.create_user(
            name="sue", password="secret", email="sue@example.org", default_project_id=project.id
        )
        role = admin.identity.find_role("member")
        admin.identity.assign_project_role_to_user(project, user, role)
        assert admin.identity.validate_user_has_project_role(project, user, role)
        assert [p.id for p in admin.identity.user_projects(user)] == [project.id]
        assert {"admin", "sdk"} <= {p.name for p in admin.identity.projects()}
        assert [u.email for u in admin.identity.users(name="sue")] == ["sue@example.org"]
        effective = admin.identity.role_assignments(
            user_id=user.id, effective=True, include_names=True
        )
        assert {a.role["name"] for a in effective} == {"member", "reader"}
        with _connect(served, "sue", "secret", project_name="sdk") as sue:
            assert sue.current_project_id == project.id
            assert sue.identity.get_user(user.id).name == "sue"
            with pytest.raises(ForbiddenException):
                list(sue.identity.users())
        with pytest.raises(ConflictException):
            admin.identity.create_project(name="sdk")
        admin.identity.delete_user(user)
        admin.identity.delete_project(project)
        with pytest.raises(NotFoundException):
            admin.identity.get_project(project.id)


def test_the_sdk_finds_every_service_in_the_catalogue(served: str) -> None:
    with _connect(served) as admin:
        assert admin.endpoint_for("identity") == f"{served}/identity"
        assert admin.endpoint_for("compute") == f"{served}/compute/v2.1"
        assert admin.endpoint_for("network") == f"{served}/network"
        assert admin.endpoint_for("image") == f"{served}/image"


def test_a_token_that_the_sdk_revokes_is_refused(served: str) -> None:
    with _connect(served) as admin, _connect(served) as other:
        token = other.auth_token
        answer = admin.identity.delete("/auth/tokens", headers={"X-Subject-Token": token})
        assert answer.status_code == 204
        kept = {"auth_type": "token", "auth": {"auth_url": f"{served}/identity", "token": token}}
        with (
            openstack.connect(load_yaml_config=False, load_envvars=False, **kept) as again,
            pytest.raises(SDKException, match="404"),
        ):
            again.authorize()


def _openstack(url: str, *lines: str) -> list[Any]:
    """Commands of the stock client as the admin; gives the JSON that each printed."""
    return openstack_lines(url, ADMIN_PASSWORD, *lines)


def test_the_openstack_command_manages_identity(served: str) -> None:
    token, project, user, held, group, catalog = _openstack(
        served,
        "token issue -f json",
        "project create --tag blue --property colour=red cli -f json",
        "user create --password secret --email bob@example.org --project cli bob -f json",
        "role add --user bob --project cli member",
        "role assignment list --user bob --names -f json",
        "role remove --user bob --project cli member",
        "project set --description changed cli",
        "group create crew -f json",
        "group add user crew bob",
        "catalog list -f json",
    )
    assert len(token["id"]) > 100
    assert (project["name"], project["tags"], project["colour"]) == ("cli", ["blue"], "red")
    assert user["default_project_id"] == project["id"]
    assert held[0]["Role"] == "member"
    assert group["name"] == "crew"
    assert {service["Type"] for service in catalog} == {"identity", "compute", "network", "image"}
