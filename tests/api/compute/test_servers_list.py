"""Lists of servers: filters, sorting, paging, and the form of each microversion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from freehold.store import utc_now
from tests.api.compute.cloud import LATEST, Cloud, make
from tests.support.service import Service, admin, tenant

SERVERS = "/compute/v2.1/servers"


@pytest.fixture
def three(cloud: Cloud) -> dict[str, str]:
    """Three servers by name."""
    return make_three(cloud)


@pytest.fixture(scope="module")
def stocked(untouched: Cloud) -> Cloud:
    """A cloud with the three, for tests that only look."""
    make_three(untouched)
    return untouched


def make_three(cloud: Cloud) -> dict[str, str]:
    """Servers a-web (running), b-web (stopped), c-db (building) by name."""
    ids = {name: cloud.create(name=name) for name in ("a-web", "b-web")}
    cloud.converge()
    cloud.act(ids["b-web"], "os-stop")
    cloud.converge()
    ids["c-db"] = cloud.create(name="c-db", tags=["db", "prod"], metadata={"k": "v"})
    return ids


def names(cloud: Cloud, version: str = "2.96", **params: Any) -> list[str]:
    answer = cloud.client.get(
        SERVERS, params=params, headers={"OpenStack-API-Version": f"compute {version}"}
    )
    assert answer.status_code == 200, answer.text
    return sorted(server["name"] for server in answer.json()["servers"])


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["a-web", "b-web", "c-db"]),
        ({"name": "web"}, ["a-web", "b-web"]),
        ({"name": "^.-web$"}, ["a-web", "b-web"]),
        ({"name": "^b.*"}, ["b-web"]),
        ({"name": "none"}, []),
        ({"status": "ACTIVE"}, ["a-web"]),
        ({"status": "shutoff"}, ["b-web"]),
        ({"status": "BUILD"}, ["c-db"]),
        ({"status": "ERROR"}, []),
        ({"status": "RESCUE"}, []),
        ({"status": ["ACTIVE", "BUILD"]}, ["a-web", "c-db"]),
        ({"tags": "db,prod"}, ["c-db"]),
        ({"tags": "db,test"}, []),
        ({"tags-any": "db,test"}, ["c-db"]),
        ({"not-tags": "db,prod"}, ["a-web", "b-web"]),
        ({"not-tags-any": "db"}, ["a-web", "b-web"]),
        ({"vm_state": "stopped"}, ["b-web"]),
        ({"task_state": "spawning"}, ["c-db"]),
        ({"power_state": "4"}, ["b-web"]),
        ({"locked": "true"}, []),
        ({"availability_zone": "nova"}, ["a-web", "b-web", "c-db"]),
        ({"availability_zone": "mars"}, []),
        ({"config_drive": "true"}, ["a-web", "b-web", "c-db"]),
        ({"flavor": "nope"}, []),
        ({"image": "nope"}, []),
        ({"ip": "10.1.0"}, ["a-web", "b-web", "c-db"]),
        ({"ip": "10.2"}, []),
        ({"ip6": "fe80"}, []),
        ({"hostname": "c-db"}, ["c-db"]),
    ],
)
def test_filters(stocked: Cloud, params: dict[str, Any], found: list[str]) -> None:
    assert names(stocked, **params) == found


def test_flavor_image_and_time_are_filters(stocked: Cloud) -> None:
    assert len(names(stocked, flavor=stocked.flavor_id, image=stocked.image_id)) == 3
    soon, before = utc_now() + timedelta(hours=1), utc_now() - timedelta(hours=1)
    assert names(stocked, **{"changes-since": soon.isoformat()}) == []
    assert len(names(stocked, **{"changes-since": before.isoformat()})) == 3
    assert names(stocked, **{"changes-before": before.strftime("%Y-%m-%dT%H:%M:%SZ")}) == []


@pytest.mark.parametrize(
    "params",
    [
        {"changes-since": "yesterday"},
        {"status": "SLEEPING"},
        {"limit": "-1"},
        {"limit": "a"},
        {"marker": "nope"},
        {"sort_key": "user_data"},
        {"sort_key": "colour"},
        {"sort_dir": "up", "sort_key": "uuid"},
        {"metadata": "x"},
        {"_private": "x"},
        {"colour": "red"},
        {"name": "(a+)+$"},
        {"locked": "maybe"},
    ],
)
def test_a_query_that_cannot_be_is_refused(stocked: Cloud, params: dict[str, str]) -> None:
    answer = stocked.client.get(SERVERS, params=params, headers=LATEST)
    assert answer.status_code == 400, answer.text


def test_before_2_75_what_nobody_knows_is_left_out(stocked: Cloud) -> None:
    assert len(names(stocked, "2.74", colour="red", sort_key="user_data")) == 3
    assert names(stocked, "2.37", status="SLEEPING") == []
    assert len(names(stocked, "2.82", vm_state="stopped")) == 3, "for operators only before 2.83"


def test_deleted_servers_are_for_operators(stocked: Cloud) -> None:
    assert stocked.client.get(SERVERS, params={"status": "DELETED"}).status_code == 403
    operator = stocked.service.client(admin())
    for params in ({"status": "DELETED"}, {"deleted": "true"}):
        answer = operator.get(SERVERS, params={**params, "all_tenants": "1"})
        assert answer.json() == {"servers": []}


def test_all_projects_are_for_operators(stocked: Cloud) -> None:
    assert stocked.client.get(SERVERS, params={"all_tenants": "1"}).status_code == 403
    operator = stocked.service.client(admin())
    assert operator.get(SERVERS).json() == {"servers": []}
    everything = operator.get(SERVERS, params={"all_tenants": "1"}).json()["servers"]
    assert len(everything) == 3
    for params, number in (
        ({"project_id": stocked.caller.project_id}, 3),
        ({"project_id": "other"}, 0),
        ({"host": "hv1"}, 3),
        ({"host": "hv2"}, 0),
    ):
        found = operator.get(SERVERS, params={"all_tenants": "1", **params}).json()["servers"]
        assert len(found) == number


def test_a_list_of_none_is_empty(stocked: Cloud) -> None:
    for path in (SERVERS, f"{SERVERS}/detail"):
        assert stocked.client.get(f"{path}?limit=0").json() == {"servers": []}


def test_a_list_can_be_sorted_and_walked(stocked: Cloud) -> None:
    seen: list[str] = []
    url = f"{SERVERS}?sort_key=display_name&sort_dir=desc&limit=2"
    while url:
        page = stocked.client.get(url, headers=LATEST).json()
        seen += [server["name"] for server in page["servers"]]
        links = page.get("servers_links", [])
        url = links[0]["href"].partition("/compute")[2] if links else ""
        url = f"/compute{url}" if url else ""
    assert seen == ["c-db", "b-web", "a-web"]
    newest = stocked.client.get(SERVERS).json()["servers"]
    assert newest[0]["name"] == "c-db"
    by_state = stocked.client.get(
        SERVERS, params={"sort_key": "vm_state", "sort_dir": "asc"}, headers=LATEST
    )
    assert [s["name"] for s in by_state.json()["servers"]] == ["a-web", "c-db", "b-web"]
    assert stocked.client.get(SERVERS, params={"sort_key": "host"}).status_code == 403


def test_a_detailed_list_takes_as_many_queries_for_twenty_as_for_two(service: Service) -> None:
    cloud = make(service)
    path = f"/compute/v2.1/os-quota-sets/{cloud.caller.project_id}"
    limits = {"instances": -1, "cores": -1, "ram": -1}
    assert cloud.operator.put(path, json={"quota_set": limits}).status_code == 200

    client = cloud.operator

    def queries() -> int:
        counted: list[str] = []

        def count(*args: Any) -> None:
            counted.append(args[2])

        event.listen(service.store.engine, "before_cursor_execute", count)
        try:
            answer = client.get(f"{SERVERS}/detail?all_tenants=1", headers=LATEST)
        finally:
            event.remove(service.store.engine, "before_cursor_execute", count)
        assert answer.status_code == 200
        return len(counted)

    cloud.create(min_count=2)
    two = queries()
    cloud.create(min_count=18)
    assert queries() == two
    assert two < 15


BASE = {
    "accessIPv4",
    "accessIPv6",
    "addresses",
    "config_drive",
    "created",
    "flavor",
    "hostId",
    "id",
    "image",
    "key_name",
    "links",
    "metadata",
    "name",
    "os-extended-volumes:volumes_attached",
    "progress",
    "security_groups",
    "status",
    "tenant_id",
    "updated",
    "user_id",
    "OS-DCF:diskConfig",
    "OS-EXT-AZ:availability_zone",
    "OS-EXT-STS:power_state",
    "OS-EXT-STS:task_state",
    "OS-EXT-STS:vm_state",
    "OS-SRV-USG:launched_at",
    "OS-SRV-USG:terminated_at",
}
ADMIN = {f"OS-EXT-SRV-ATTR:{name}" for name in ("host", "hypervisor_hostname", "instance_name")}
ADMIN_2_3 = {
    f"OS-EXT-SRV-ATTR:{name}"
    for name in (
        *("hostname", "kernel_id", "launch_index", "ramdisk_id", "reservation_id"),
        *("root_device_name", "user_data"),
    )
}
ADDED = [
    ("2.9", {"locked"}),
    ("2.19", {"description"}),
    ("2.26", {"tags"}),
    ("2.63", {"trusted_image_certificates"}),
    ("2.71", {"server_groups"}),
    ("2.73", {"locked_reason"}),
    ("2.90", {"OS-EXT-SRV-ATTR:hostname"}),
    ("2.96", {"pinned_availability_zone"}),
]


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


@pytest.mark.parametrize("version", ["2.1", "2.3", "2.9", "2.47", "2.73", "2.90", "2.96"])
def test_each_microversion_has_its_fields(stocked: Cloud, version: str) -> None:
    expected = BASE.union(*(new for since, new in ADDED if _minor(version) >= _minor(since)))
    found = stocked.client.get(SERVERS, params={"name": "a-web"}).json()["servers"]
    server_id = str(found[0]["id"])
    shown = stocked.show(server_id, version)
    assert set(shown) == expected
    headers = {"OpenStack-API-Version": f"compute {version}"}
    listed = stocked.client.get(f"{SERVERS}/detail", headers=headers).json()["servers"]
    row = next(server for server in listed if server["id"] == server_id)
    assert row == {key: value for key, value in shown.items() if key != "server_groups"}
    extra = ADMIN | (ADMIN_2_3 if _minor(version) >= 3 else set())
    extra |= {"host_status"} if _minor(version) >= 16 else set()
    assert set(stocked.show(server_id, version, admin())) == expected | extra
    if _minor(version) >= 47:
        assert set(shown["flavor"]) == {
            *("vcpus", "ram", "disk", "ephemeral", "swap", "original_name", "extra_specs")
        }
    else:
        assert shown["flavor"]["id"] == stocked.flavor_id


def test_a_change_answers_all_fields_from_2_75(cloud: Cloud, three: dict[str, str]) -> None:
    path = f"{SERVERS}/{three['a-web']}"
    change = {"name": "x", "accessIPv4": "192.0.2.1", "accessIPv6": "2001:db8::1"}
    old = cloud.client.put(path, json={"server": change}).json()["server"]
    assert (old["name"], old["accessIPv4"], old["accessIPv6"]) == (
        "x",
        "192.0.2.1",
        "2001:db8::1",
    )
    assert "key_name" not in old
    new = cloud.client.put(
        path, json={"server": {"description": "d", "hostname": "x.example.org"}}, headers=LATEST
    ).json()["server"]
    assert new == cloud.show(three["a-web"])
    assert (new["description"], new["OS-EXT-SRV-ATTR:hostname"]) == ("d", "x.example.org")
    assert cloud.client.put(path, json={"server": {"description": "d"}}).status_code == 400
    assert cloud.client.put(path, json={"server": {"name": ""}}).status_code == 400


def test_the_host_id_differs_between_projects_and_hides_the_host(cloud: Cloud) -> None:
    mine = cloud.show(cloud.create(networks="none"))["hostId"]
    again = cloud.show(cloud.create(networks="none"))["hostId"]
    other = Cloud(cloud.service, tenant(), cloud.flavor_id, cloud.image_id)
    theirs = other.show(other.create(networks="none"))["hostId"]
    assert mine == again != theirs
    assert "hv1" not in mine
