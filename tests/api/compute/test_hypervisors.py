"""Zones, hypervisors and services: hosts, as the Compute API has words for them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from starlette.testclient import TestClient

from freehold.hosts import Host
from freehold.store import new_id, utc_now
from tests.api.compute.cloud import Cloud
from tests.support.service import Service

COMPUTE = "/compute/v2.1"


def _at(version: str) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute {version}"}


def _get(client: TestClient, path: str, version: str = "2.96") -> Any:
    answer = client.get(f"{COMPUTE}{path}", headers=_at(version))
    assert answer.status_code == 200, answer.text
    return answer.json()


def _silence(service: Service, name: str, *, hours: int) -> None:
    with service.store.write() as session:
        host = session.query(Host).filter_by(name=name).one()
        host.seen_at = utc_now() - timedelta(hours=hours)


def _switch(cloud: Cloud, **change: Any) -> Any:
    (service,) = _get(cloud.operator, "/os-services")["services"]
    path = f"{COMPUTE}/os-services/{service['id']}"
    return cloud.operator.put(path, json=change, headers=_at("2.96"))


def test_a_zone_is_available_while_a_host_in_it_is_up_and_enabled(cloud: Cloud) -> None:
    path = "/os-availability-zone"

    def zones() -> Any:
        return _get(cloud.client, path)["availabilityZoneInfo"]

    up = {"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}
    assert zones() == [up]
    (detail,) = _get(cloud.operator, f"{path}/detail")["availabilityZoneInfo"]
    assert (
        detail["hosts"]["hv1"]["nova-compute"].items()
        >= {
            "available": True,
            "active": True,
        }.items()
    )
    assert cloud.client.get(f"{COMPUTE}{path}/detail").status_code == 403
    _silence(cloud.service, "hv1", hours=24)
    assert zones() == [up | {"zoneState": {"available": False}}]


def test_a_hypervisor_shows_what_it_has_and_what_servers_take(cloud: Cloud) -> None:
    server_id = cloud.create(networks="none")
    (shown,) = _get(cloud.operator, "/os-hypervisors/detail", "2.87")["hypervisors"]
    assert (
        shown.items()
        >= {
            "hypervisor_hostname": "hv1",
            "hypervisor_type": "QEMU",
            "state": "up",
            "status": "enabled",
            "vcpus": 8,
            "vcpus_used": 1,
            "memory_mb": 16384,
            "memory_mb_used": 512,
            "free_ram_mb": 15872,
            "local_gb_used": 1,
            "running_vms": 1,
        }.items()
    )
    assert shown["service"]["host"] == "hv1"
    new = _get(cloud.operator, f"/os-hypervisors/{shown['id']}?with_servers=true")["hypervisor"]
    assert "vcpus" not in new
    assert new["servers"] == [{"uuid": server_id, "name": "web"}]
    totals = _get(cloud.operator, "/os-hypervisors/statistics", "2.87")["hypervisor_statistics"]
    assert (totals["count"], totals["vcpus_used"]) == (1, 1)


def test_hypervisors_have_numbers_and_other_paths_before_2_53(cloud: Cloud) -> None:
    (old,) = _get(cloud.operator, "/os-hypervisors", "2.1")["hypervisors"]
    assert isinstance(old["id"], int)
    shown = _get(cloud.operator, f"/os-hypervisors/{old['id']}", "2.1")["hypervisor"]
    assert isinstance(json.loads(shown["cpu_info"]), dict)
    assert _get(cloud.operator, "/os-hypervisors/hv/search", "2.1")["hypervisors"] == [old]
    assert _get(cloud.operator, "/os-hypervisors/hv/servers", "2.1")["hypervisors"] == [old]
    for path, version, status in (
        ("/os-hypervisors/hv/search", "2.53", 404),
        ("/os-hypervisors/hv/servers", "2.53", 404),
        ("/os-hypervisors/nothing/search", "2.1", 404),
        ("/os-hypervisors/statistics", "2.88", 404),
        ("/os-hypervisors/not-a-uuid", "2.53", 400),
        (f"/os-hypervisors/{new_id()}", "2.53", 404),
        ("/os-hypervisors/7", "2.1", 404),
        ("/os-hypervisors?with_servers=maybe", "2.53", 400),
        ("/os-hypervisors?hypervisor_hostname_pattern=nothing", "2.53", 404),
        ("/os-hypervisors?hypervisor_hostname_pattern=hv&limit=1", "2.53", 400),
        ("/os-hypervisors?limit=x", "2.33", 400),
        ("/os-hypervisors?marker=x", "2.33", 400),
    ):
        answer = cloud.operator.get(f"{COMPUTE}{path}", headers=_at(version))
        assert answer.status_code == status, path
    assert cloud.client.get(f"{COMPUTE}/os-hypervisors").status_code == 403


def test_hypervisors_have_pages_from_2_33(cloud: Cloud) -> None:
    cloud.operator.put("/v1/hosts/hv2", json={})
    first = _get(cloud.operator, "/os-hypervisors?limit=1")
    (link,) = first["hypervisors_links"]
    assert [host["hypervisor_hostname"] for host in first["hypervisors"]] == ["hv1"]
    second = _get(cloud.operator, link["href"].partition(COMPUTE)[2])
    assert [host["hypervisor_hostname"] for host in second["hypervisors"]] == ["hv2"]
    assert "hypervisors_links" not in second
    assert second["hypervisors"][0]["state"] == "down"


def test_a_disabled_service_gets_no_servers_until_it_is_enabled(cloud: Cloud) -> None:
    answer = _switch(cloud, status="disabled", disabled_reason="new disks")
    assert answer.status_code == 200
    assert (
        answer.json()["service"].items()
        >= {
            "binary": "nova-compute",
            "host": "hv1",
            "status": "disabled",
            "disabled_reason": "new disks",
            "state": "up",
        }.items()
    )
    (hypervisor,) = _get(cloud.operator, "/os-hypervisors")["hypervisors"]
    assert hypervisor["status"] == "disabled"
    (zone,) = _get(cloud.client, "/os-availability-zone")["availabilityZoneInfo"]
    assert zone["zoneState"] == {"available": False}
    refused = cloud.show(cloud.create(networks="none"))
    assert (refused["status"], refused["fault"]["code"]) == ("ERROR", 500)
    assert _switch(cloud, status="enabled").json()["service"]["disabled_reason"] is None
    assert cloud.show(cloud.create(networks="none"))["status"] == "BUILD"


def test_a_service_changes_by_host_name_before_2_53(cloud: Cloud) -> None:
    body = {"host": "hv1", "binary": "nova-compute"}
    path = f"{COMPUTE}/os-services"
    answer = cloud.operator.put(f"{path}/disable", json=body)
    assert answer.json() == {"service": body | {"status": "disabled"}}
    reason = body | {"disabled_reason": "why"}
    answer = cloud.operator.put(f"{path}/disable-log-reason", json=reason)
    assert answer.json() == {"service": reason | {"status": "disabled"}}
    assert cloud.operator.put(f"{path}/enable", json=body).json()["service"]["status"] == "enabled"
    assert cloud.operator.put(f"{path}/enable", json={"host": "hv1"}).status_code == 400
    assert cloud.operator.put(f"{path}/enable", json=body | {"host": "hv9"}).status_code == 404
    assert cloud.operator.put(f"{path}/jump", json=body).status_code == 404


def test_services_are_filtered_and_refuse_what_makes_no_sense(cloud: Cloud) -> None:
    assert len(_get(cloud.operator, "/os-services?host=hv1&binary=nova-compute")["services"]) == 1
    assert _get(cloud.operator, "/os-services?host=hv9")["services"] == []
    assert _get(cloud.operator, "/os-services?binary=nova-scheduler")["services"] == []
    assert "forced_down" not in _get(cloud.operator, "/os-services", "2.10")["services"][0]
    assert _switch(cloud).status_code == 400
    assert _switch(cloud, status="enabled", disabled_reason="x").status_code == 400
    assert _switch(cloud, status="broken").status_code == 400
    assert _switch(cloud, forced_down=True).status_code == 501
    missing = f"{COMPUTE}/os-services/{new_id()}"
    change = {"status": "enabled"}
    assert cloud.operator.put(missing, json=change, headers=_at("2.53")).status_code == 404
    assert cloud.client.get(f"{COMPUTE}/os-services").status_code == 403
    assert cloud.client.put(missing, json=change, headers=_at("2.53")).status_code == 403


def test_hosts_are_grouped_by_zones_alone(cloud: Cloud) -> None:
    assert _get(cloud.operator, "/os-aggregates") == {"aggregates": []}
    assert cloud.client.get(f"{COMPUTE}/os-aggregates").status_code == 403
