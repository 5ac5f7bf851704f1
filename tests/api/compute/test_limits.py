"""Limits and quota sets: what operators set, and what rows add up to."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.compute.cloud import Cloud
from tests.support.service import tenant

COMPUTE = "/compute/v2.1"


def _at(version: str) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute {version}"}


def _get(client: TestClient, path: str, version: str = "2.96") -> Any:
    answer = client.get(f"{COMPUTE}{path}", headers=_at(version))
    assert answer.status_code == 200, answer.text
    return answer.json()


def _quota_path(cloud: Cloud) -> str:
    return f"/os-quota-sets/{cloud.caller.project_id}"


def test_limits_are_the_defaults_and_the_sums_of_rows(cloud: Cloud) -> None:
    empty = _get(cloud.client, "/limits")["limits"]
    assert empty["rate"] == []
    assert empty["absolute"] == {
        "maxTotalInstances": 10,
        "maxTotalCores": 20,
        "maxTotalRAMSize": 51200,
        "maxTotalKeypairs": 100,
        "maxServerMeta": 128,
        "maxServerGroups": 10,
        "maxServerGroupMembers": 10,
        "totalInstancesUsed": 0,
        "totalCoresUsed": 0,
        "totalRAMUsed": 0,
        "totalServerGroupsUsed": 0,
    }
    cloud.create(networks="none")
    used = _get(cloud.client, "/limits")["limits"]["absolute"]
    sums = ("totalInstancesUsed", "totalCoresUsed", "totalRAMUsed")
    assert [used[name] for name in sums] == [1, 1, 512]


def test_limits_have_the_names_of_their_microversion(untouched: Cloud) -> None:
    def names(version: str) -> set[str]:
        return set(_get(untouched.client, "/limits", version)["limits"]["absolute"])

    assert names("2.1") - names("2.36") == {
        *("maxSecurityGroups", "maxSecurityGroupRules", "maxTotalFloatingIps"),
        *("totalSecurityGroupsUsed", "totalFloatingIpsUsed"),
    }
    assert names("2.36") - names("2.39") == {"maxImageMeta"}
    assert names("2.39") - names("2.57") == {"maxPersonality", "maxPersonalitySize"}


def test_limits_of_another_project_are_for_operators(untouched: Cloud) -> None:
    path = f"/limits?tenant_id={untouched.caller.project_id}"
    stranger = untouched.service.client(tenant())
    assert stranger.get(f"{COMPUTE}{path}").status_code == 403
    assert _get(untouched.client, path) == _get(untouched.operator, path)


def test_a_quota_set_is_set_shown_and_forgotten(cloud: Cloud) -> None:
    path = _quota_path(cloud)
    before = _get(cloud.client, path)["quota_set"]
    assert (before["id"], before["cores"]) == (cloud.caller.project_id, 20)
    answer = cloud.operator.put(
        f"{COMPUTE}{path}", json={"quota_set": {"cores": 7, "ram": "1024"}}, headers=_at("2.96")
    )
    assert answer.status_code == 200
    assert answer.json()["quota_set"].items() >= {"cores": 7, "ram": 1024, "instances": 10}.items()
    assert "id" not in answer.json()["quota_set"]
    assert _get(cloud.client, path)["quota_set"]["cores"] == 7
    assert _get(cloud.client, f"{path}/defaults")["quota_set"]["cores"] == 20
    assert _get(cloud.client, "/limits")["limits"]["absolute"]["maxTotalCores"] == 7
    assert cloud.operator.delete(f"{COMPUTE}{path}").status_code == 202
    assert _get(cloud.client, path)["quota_set"] == before


def test_quota_sets_have_the_names_of_their_microversion(untouched: Cloud) -> None:
    def names(version: str) -> set[str]:
        return set(_get(untouched.client, _quota_path(untouched), version)["quota_set"])

    network = {"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}
    assert names("2.35") - names("2.36") == network
    injected = {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
    assert names("2.56") - names("2.57") == injected


def test_a_limit_goes_below_what_is_used_by_force_only(cloud: Cloud) -> None:
    cloud.create(networks="none")
    path = f"{COMPUTE}{_quota_path(cloud)}"
    low = {"quota_set": {"ram": 511}}
    refused = cloud.operator.put(path, json=low)
    assert refused.status_code == 400
    assert "512" in refused.json()["badRequest"]["message"]
    low["quota_set"]["force"] = True
    assert cloud.operator.put(path, json=low).status_code == 200
    detail = _get(cloud.client, f"{_quota_path(cloud)}/detail")["quota_set"]
    assert detail["ram"] == {"limit": 511, "in_use": 512, "reserved": 0}
    assert detail["instances"]["in_use"] == 1


@pytest.mark.parametrize(
    ("quota_set", "version"),
    [
        ({"cores": -2}, "2.1"),
        ({"cores": "many"}, "2.1"),
        ({"cores": 2**31}, "2.1"),
        ({"bananas": 1}, "2.1"),
        ({"floating_ips": 1}, "2.36"),
        ({"injected_files": 1}, "2.57"),
    ],
)
def test_what_is_no_limit_is_refused(
    untouched: Cloud, quota_set: dict[str, Any], version: str
) -> None:
    path = f"{COMPUTE}{_quota_path(untouched)}"
    answer = untouched.operator.put(path, json={"quota_set": quota_set}, headers=_at(version))
    assert answer.status_code == 400
    assert _get(untouched.client, _quota_path(untouched))["quota_set"]["cores"] == 20


def test_nobody_has_limits_who_is_not_there(untouched: Cloud) -> None:
    path = f"{COMPUTE}/os-quota-sets/nobody"
    answer = untouched.operator.put(path, json={"quota_set": {"cores": 1}})
    assert answer.status_code == 400
    assert "nobody is not a valid project" in answer.json()["badRequest"]["message"]


def test_quotas_are_seen_by_the_project_and_set_by_operators(untouched: Cloud) -> None:
    path = f"{COMPUTE}{_quota_path(untouched)}"
    stranger = untouched.service.client(tenant())
    assert stranger.get(path).status_code == 403
    assert stranger.get(f"{path}/detail").status_code == 403
    for client in (stranger, untouched.client):
        assert client.put(path, json={"quota_set": {"cores": 99}}).status_code == 403
        assert client.delete(path).status_code == 403
