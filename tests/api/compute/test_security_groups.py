"""Security groups in nova's old form are the Networking API's groups, seen from the other side."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.compute.cloud import Cloud
from tests.support.service import tenant

GROUPS, RULES = "/compute/v2.1/os-security-groups", "/compute/v2.1/os-security-group-rules"


def _make(cloud: Cloud, name: str = "web") -> Any:
    body = {"security_group": {"name": name, "description": "of the web"}}
    answer = cloud.client.post(GROUPS, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["security_group"]


def _names(cloud: Cloud, query: str = "") -> list[str]:
    return [group["name"] for group in cloud.client.get(GROUPS + query).json()["security_groups"]]


def test_a_group_made_here_is_the_networking_apis(cloud: Cloud) -> None:
    group = _make(cloud)
    there = cloud.client.get(f"/network/v2.0/security-groups/{group['id']}").json()
    assert there["security_group"]["name"] == "web"
    assert group["rules"] == []  # egress cannot be told in this form
    assert _names(cloud) == ["default", "web"]
    assert _names(cloud, "?offset=1&limit=1") == ["web"]
    assert cloud.client.get(f"{GROUPS}?limit=-1").status_code == 400


def test_a_group_is_changed_and_deleted(cloud: Cloud) -> None:
    path = f"{GROUPS}/{_make(cloud)['id']}"
    body = {"security_group": {"name": "api", "description": ""}}
    assert cloud.client.put(path, json=body).json()["security_group"]["name"] == "api"
    assert cloud.client.delete(path).status_code == 202
    assert cloud.client.get(path).status_code == 404
    assert _names(cloud) == ["default"]


def test_a_rule_is_told_as_nova_tells_it(cloud: Cloud) -> None:
    group = _make(cloud)
    wish = {"parent_group_id": group["id"], "ip_protocol": "icmp", "from_port": -1, "to_port": -1}
    said = cloud.client.post(RULES, json={"security_group_rule": wish | {"cidr": "10.0.0.0/8"}})
    rule = said.json()["security_group_rule"]
    assert (rule["ip_protocol"], rule["ip_range"]) == ("icmp", {"cidr": "10.0.0.0/8"})
    again = cloud.client.post(RULES, json={"security_group_rule": wish | {"cidr": "10.0.0.0/8"}})
    assert again.status_code == 400
    remote = {"parent_group_id": group["id"], "group_id": group["id"], "ip_protocol": "tcp"}
    ports = {"from_port": 22, "to_port": 22}
    told = cloud.client.post(RULES, json={"security_group_rule": remote | ports}).json()
    assert told["security_group_rule"]["group"]["name"] == "web"
    shown = cloud.client.get(f"{GROUPS}/{group['id']}").json()["security_group"]["rules"]
    assert {one["id"] for one in shown} == {rule["id"], told["security_group_rule"]["id"]}
    assert cloud.client.delete(f"{RULES}/{rule['id']}").status_code == 202
    assert cloud.client.delete(f"{RULES}/{rule['id']}").status_code == 404


def test_a_group_that_a_server_has_is_not_deleted(cloud: Cloud) -> None:
    group = _make(cloud)
    cloud.create(security_groups=[{"name": "web"}])
    answer = cloud.client.delete(f"{GROUPS}/{group['id']}")
    assert (answer.status_code, "in use" in answer.text) == (400, True)


@pytest.mark.parametrize("path", [GROUPS, f"{GROUPS}/unknown"])
def test_newer_clients_find_them_in_the_networking_api_only(cloud: Cloud, path: str) -> None:
    newer = {"OpenStack-API-Version": "compute 2.36"}
    assert cloud.client.get(path, headers=newer).status_code == 404


def test_an_operator_sees_the_groups_of_all_projects_if_they_say_so(cloud: Cloud) -> None:
    group = _make(cloud)

    def ids(client: TestClient, query: str = "") -> list[str]:
        return [one["id"] for one in client.get(GROUPS + query).json()["security_groups"]]

    assert group["id"] in ids(cloud.operator, "?all_tenants=true")
    assert group["id"] not in ids(cloud.operator)
    stranger = cloud.service.client(tenant())
    assert group["id"] not in ids(stranger, "?all_tenants=true")


@pytest.mark.parametrize("field", ["parent_group_id", "group_id"])
def test_a_rule_names_groups_by_their_ids(cloud: Cloud, field: str) -> None:
    wish = {"parent_group_id": _make(cloud)["id"], "ip_protocol": "tcp"} | {field: "web"}
    answer = cloud.client.post(RULES, json={"security_group_rule": wish})
    assert (answer.status_code, field in answer.text) == (400, True)


@pytest.mark.parametrize("change", [{"name": ""}, {"name": "x" * 256}, {"colour": "red"}])
def test_what_is_no_group_is_refused(cloud: Cloud, change: dict[str, Any]) -> None:
    body = {"security_group": {"name": "web", "description": ""} | change}
    assert cloud.client.post(GROUPS, json=body).status_code == 400
