"""``POST /servers``: what is accepted, what is refused and in which words; all or nothing."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from freehold.jobs import Target
from tests.api.compute.cloud import LATEST, Cloud, make, network
from tests.support.service import Service, admin, tenant

SERVERS = "/compute/v2.1/servers"


def post(cloud: Cloud, version: str = "2.96", **fields: Any) -> Any:
    headers = {"OpenStack-API-Version": f"compute {version}"}
    return cloud.client.post(SERVERS, json=cloud.wish(**fields), headers=headers)


def test_a_server_is_accepted_before_any_machine_has_heard_of_it(cloud: Cloud) -> None:
    answer = post(cloud, adminPass="s3cret")
    assert answer.status_code == 202
    server = answer.json()["server"]
    assert server["adminPass"] == "s3cret"
    assert server["OS-DCF:diskConfig"] == "MANUAL"
    assert server["security_groups"] == [{"name": "default"}]
    assert answer.headers["Location"] == server["links"][0]["href"]
    assert answer.headers["Location"].endswith(f"/compute/v2.1/servers/{server['id']}")
    shown = cloud.show(server["id"])
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("BUILD", "spawning")
    with cloud.service.store.read() as session:
        host = session.get_one(Target, ("host", "hv1"))
        assert host.is_due
        assert session.get_one(Target, ("network", "ovn")).is_due


def test_the_guest_finds_the_password_on_its_config_drive(cloud: Cloud) -> None:
    told = post(cloud, adminPass="s3cret").json()["server"]
    (entry,) = cloud.entries().values()
    assert entry["config_drive"]["meta_data"]["admin_pass"] == told["adminPass"] == "s3cret"
    made = [post(cloud, min_count=2).json()["server"]["adminPass"] for _ in range(2)]
    found = [one["config_drive"]["meta_data"]["admin_pass"] for one in cloud.entries().values()]
    assert sorted(found) == sorted([*made, *made, "s3cret"]), "servers of one request share one"


def test_a_generated_password_is_told_once(cloud: Cloud) -> None:
    first, second = post(cloud).json()["server"], post(cloud).json()["server"]
    assert len(first["adminPass"]) >= 12
    assert first["adminPass"] != second["adminPass"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ...}, "name"),
        ({"name": ""}, "name"),
        ({"name": " web"}, "name"),
        ({"name": "a\tb"}, "name"),
        ({"name": 12345}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"flavorRef": ...}, "flavorRef"),
        ({"flavorRef": "nope"}, "nope could not be found"),
        ({"imageRef": ...}, "Invalid imageRef provided"),
        ({"imageRef": "9f5c1a1e-0000-4000-8000-000000000000"}, "Can not find requested image"),
        ({"networks": ...}, "'networks' is a required property"),
        ({"networks": "some"}, "networks"),
        ({"networks": [{"uuid": "x"}]}, "networks"),
        ({"networks": [{}]}, "missing 'uuid'"),
        ({"networks": [{"uuid": "9f5c1a1e-0000-4000-8000-000000000000"}]}, "could not be found"),
        ({"key_name": "nope"}, "Invalid key_name provided"),
        ({"user_data": "not base64!"}, "user_data"),
        ({"user_data": base64.b64encode(b"x" * 65536).decode()}, "user_data"),
        ({"metadata": {"k": "v" * 256}}, "metadata"),
        ({"metadata": {"k" * 256: "v"}}, "metadata"),
        ({"metadata": {"k": 1}}, "metadata"),
        ({"metadata": {"{{k}}": "v"}}, "metadata"),
        ({"min_count": 3, "max_count": 2}, "min_count must be <= max_count"),
        ({"min_count": 0}, "min_count"),
        ({"availability_zone": "mars"}, "availability zone is not available"),
        ({"accessIPv4": "1.2.3"}, "accessIPv4"),
        ({"accessIPv6": "1.2.3.4"}, "accessIPv6"),
        ({"tags": ["a,b"]}, "tags"),
        ({"hostname": "not a name"}, "hostname"),
        ({"hostname": "web", "max_count": 2}, "single hostname"),
        ({"personality": []}, "personality"),
        ({"colour": "red"}, "colour"),
        ({"block_device_mapping_v2": [{"source_type": "volume", "uuid": "x"}]}, "no volumes"),
        ({"trusted_image_certificates": ["x"]}, "not supported"),
    ],
)
def test_a_bad_wish_is_refused_and_leaves_nothing(
    untouched: Cloud, fields: dict[str, Any], message: str
) -> None:
    answer = post(untouched, **fields)
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["badRequest"]["message"]
    assert untouched.client.get(SERVERS).json() == {"servers": []}
    assert untouched.document() is None


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        ("2.18", {"description": "x"}),
        ("2.36", {"networks": "auto"}),
        ("2.51", {"tags": ["a"]}),
        ("2.73", {"host": "hv1"}),
        ("2.89", {"hostname": "web"}),
        ("2.93", {"hostname": "web.example.org"}),
        ("2.41", {"networks": [{"uuid": "9f5c1a1e-0000-4000-8000-000000000000", "tag": "a"}]}),
    ],
)
def test_a_field_is_unknown_before_its_microversion(
    untouched: Cloud, version: str, fields: dict[str, Any]
) -> None:
    assert post(untouched, version, **fields).status_code == 400


def test_files_are_refused_in_words_where_nova_had_them(cloud: Cloud) -> None:
    files = [{"path": "/etc/motd", "contents": base64.b64encode(b"hi").decode()}]
    answer = post(cloud, "2.56", personality=files)
    assert answer.status_code == 400
    assert "user_data" in answer.json()["badRequest"]["message"]
    assert post(cloud, "2.56", personality=[]).status_code == 202


def test_the_mapping_that_says_boot_from_the_image_again_is_taken(cloud: Cloud) -> None:
    mapping = {
        "uuid": cloud.image_id,
        "source_type": "image",
        "destination_type": "local",
        "boot_index": 0,
        "delete_on_termination": True,
    }
    assert post(cloud, block_device_mapping_v2=[mapping]).status_code == 202


def test_before_2_37_no_networks_means_the_only_one(cloud: Cloud) -> None:
    server_id = post(cloud, "2.1", networks=...).json()["server"]["id"]
    (entry,) = cloud.entries().values()
    assert entry["id"] == server_id
    assert len(entry["ports"]) == 1


def test_several_networks_and_none_named_is_a_conflict(cloud: Cloud) -> None:
    network(cloud, "wan", "10.2.0.0/24")
    answer = post(cloud, "2.1", networks=...)
    assert answer.status_code == 409
    assert "Multiple possible networks" in answer.json()["conflictingRequest"]["message"]


def test_networks_none_makes_a_server_without_a_port(cloud: Cloud) -> None:
    server_id = cloud.create(networks="none")
    assert cloud.entries()[server_id]["ports"] == []


def test_quota_counts_rows_and_a_refusal_names_them(cloud: Cloud) -> None:
    operator = cloud.operator
    path = f"/compute/v2.1/os-quota-sets/{cloud.caller.project_id}"
    assert operator.put(path, json={"quota_set": {"instances": 2}}).status_code == 200
    assert [post(cloud).status_code for _ in range(3)] == [202, 202, 403]
    message = post(cloud).json()["forbidden"]["message"]
    assert message == "Quota exceeded for resources: instances: requested 1, used 2 of 2"


def test_max_count_takes_what_the_quota_leaves_and_min_count_is_the_least(cloud: Cloud) -> None:
    path = f"/compute/v2.1/os-quota-sets/{cloud.caller.project_id}"
    cloud.operator.put(path, json={"quota_set": {"instances": 3}})
    assert post(cloud, min_count=4, max_count=6).status_code == 403
    answer = post(cloud, min_count=2, max_count=6, return_reservation_id=True)
    reservation = answer.json()["reservation_id"]
    listed = cloud.client.get(SERVERS, params={"reservation_id": reservation}).json()["servers"]
    assert sorted(server["name"] for server in listed) == ["web-1", "web-2", "web-3"]


def test_fifty_creates_at_once_against_a_quota_of_twenty_give_twenty(service: Service) -> None:
    cloud = make(service, memory_mib=65536, vcpus=32)
    limits = {"instances": 20, "cores": -1, "ram": -1}
    path = f"/compute/v2.1/os-quota-sets/{cloud.caller.project_id}"
    cloud.operator.put(path, json={"quota_set": limits})
    with ThreadPoolExecutor(16) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: post(cloud), range(50))]
    assert (statuses.count(202), statuses.count(403)) == (20, 30)
    entries = cloud.entries()
    addresses = {port["mac"] for entry in entries.values() for port in entry["ports"]}
    assert (len(entries), len(addresses)) == (20, 20)


def test_no_valid_host_is_a_server_whose_fault_counts_what_each_filter_removed(
    service: Service,
) -> None:
    cloud = make(service, hosts=2, memory_mib=700)
    cloud.operator.put("/v1/hosts/hv2", json={"enabled": False})
    shown = cloud.show(cloud.create())
    assert (shown["status"], shown["OS-EXT-STS:vm_state"]) == ("ERROR", "error")
    assert shown["OS-EXT-STS:task_state"] is None
    assert shown["fault"]["code"] == 500
    message = shown["fault"]["message"]
    assert message.startswith("No valid host was found. 2 hosts were looked at: ")
    assert "1 disabled or not yet described, 1 without enough memory" in message
    assert "hv1 has 188 MiB of memory free, 512 are wanted" in message
    assert cloud.client.delete(f"{SERVERS}/{shown['id']}").status_code == 204
    assert cloud.client.get(f"{SERVERS}/{shown['id']}").status_code == 404


def test_servers_of_one_request_are_spread_and_claimed_one_after_another(service: Service) -> None:
    cloud = make(service, hosts=2, memory_mib=512 + 1024)
    post(cloud, min_count=5, return_reservation_id=True)
    servers = service.client(admin()).get(
        f"{SERVERS}/detail", params={"all_tenants": "1"}, headers=LATEST
    )
    hosts = sorted(str(s["OS-EXT-SRV-ATTR:host"]) for s in servers.json()["servers"])
    assert hosts == ["None", "hv1", "hv1", "hv2", "hv2"]


def test_only_operators_choose_a_host(service: Service) -> None:
    cloud = make(service, hosts=2)
    assert post(cloud, availability_zone="nova:hv2").status_code == 403
    assert post(cloud, host="hv2").status_code == 403
    operator = service.client(admin())
    wish = cloud.wish(availability_zone="nova:hv2", networks="none")
    server = operator.post(SERVERS, json=wish, headers=LATEST).json()["server"]
    shown = operator.get(f"{SERVERS}/{server['id']}", headers=LATEST).json()["server"]
    assert shown["OS-EXT-SRV-ATTR:host"] == "hv2"
    for fields in ({"availability_zone": "nova:hv9"}, {"host": "hv9"}):
        wish = cloud.wish(networks="none", **fields)
        answer = operator.post(SERVERS, json=wish, headers=LATEST)
        assert answer.status_code == 400
        assert "hv9 could not be found" in answer.text


def test_a_flavor_too_small_for_the_image_is_refused(cloud: Cloud) -> None:
    patch = [{"op": "replace", "path": "/min_ram", "value": 1024}]
    cloud.operator.patch(
        f"/image/v2/images/{cloud.image_id}",
        json=patch,
        headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
    )
    answer = post(cloud)
    assert answer.status_code == 400
    assert "memory is too small" in answer.text


def test_readers_and_strangers_create_nothing(cloud: Cloud) -> None:
    reader = tenant("reader", project_id=cloud.caller.project_id)
    answer = cloud.service.client(reader).post(SERVERS, json=cloud.wish(), headers=LATEST)
    assert answer.status_code == 403
    assert cloud.service.client().post(SERVERS, json=cloud.wish()).status_code == 401
    stranger = cloud.service.client(tenant())
    answer = stranger.post(SERVERS, json=cloud.wish(), headers=LATEST)
    assert answer.status_code == 400
    assert "could not be found" in answer.text
