"""From rows to a host's document and from its result to a status: the whole life of a server."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from freehold.jobs import Fault, Scope
from freehold.store import utc_now
from tests.api.compute.cloud import FACTS, LATEST, Cloud, done, failed

SERVERS = "/compute/v2.1/servers"
PAYLOAD = "{{ lookup('pipe', 'touch /tmp/owned') }}{% for x in y %}"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGrhCMVO0mGZX5cVjAoRvMOGEJ5hbGHz8qXKHkV0MkX2 x"


def test_a_server_lives_from_build_to_gone(cloud: Cloud) -> None:
    server_id = cloud.create()
    entry = cloud.entries()[server_id]
    pending = done(entry, "pending", ports={p["id"]: {"bound": False} for p in entry["ports"]})
    assert cloud.answer(pending) is False
    assert cloud.show(server_id)["status"] == "BUILD"
    assert cloud.answer(done(entry, "unchanged")) is True
    shown = cloud.show(server_id)
    assert (shown["status"], shown["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    assert shown["OS-SRV-USG:launched_at"]
    assert cloud.document() is None

    assert cloud.act(server_id, "os-stop").status_code == 202
    assert cloud.show(server_id)["OS-EXT-STS:task_state"] == "powering-off"
    assert cloud.entries()[server_id]["power"] == "off"
    assert cloud.converge() is True
    assert cloud.show(server_id)["status"] == "SHUTOFF"

    assert cloud.act(server_id, "os-start").status_code == 202
    assert cloud.show(server_id)["OS-EXT-STS:task_state"] == "powering-on"
    assert cloud.entries()[server_id]["boot_serial"] == 2
    cloud.converge()
    assert cloud.show(server_id)["status"] == "ACTIVE"

    assert cloud.act(server_id, "reboot", {"type": "SOFT"}).status_code == 202
    assert cloud.show(server_id)["status"] == "REBOOT"
    assert (cloud.entries()[server_id]["boot_serial"], cloud.entries()[server_id]["reboot"]) == (
        3,
        "soft",
    )
    assert cloud.act(server_id, "reboot", {"type": "HARD"}).status_code == 202
    assert cloud.show(server_id)["status"] == "HARD_REBOOT"
    assert cloud.entries()[server_id]["reboot"] == "hard"
    cloud.converge()
    assert cloud.show(server_id)["status"] == "ACTIVE"

    assert cloud.client.delete(f"{SERVERS}/{server_id}").status_code == 204
    assert cloud.client.delete(f"{SERVERS}/{server_id}").status_code == 204
    assert cloud.show(server_id)["OS-EXT-STS:task_state"] == "deleting"
    assert cloud.entries()[server_id]["state"] == "removed"
    ports = cloud.client.get("/network/v2.0/ports", params={"device_id": server_id}).json()
    assert len(ports["ports"]) == 1, "a port may not go before the domain"
    assert cloud.converge() is True
    assert cloud.client.get(f"{SERVERS}/{server_id}").status_code == 404
    assert cloud.client.delete(f"{SERVERS}/{server_id}").status_code == 404
    ports = cloud.client.get("/network/v2.0/ports", params={"device_id": server_id}).json()
    assert ports["ports"] == []


def test_what_a_tenant_wrote_arrives_literally(cloud: Cloud) -> None:
    keypair = {"name": "{{ 7*7 }}", "public_key": KEY}
    answer = cloud.client.post(
        "/compute/v2.1/os-keypairs", json={"keypair": keypair}, headers=LATEST
    )
    key_name = "{{ 7*7 }}" if answer.status_code in (200, 201) else "seven"
    if key_name == "seven":
        keypair["name"] = key_name
        path = "/compute/v2.1/os-keypairs"
        assert cloud.client.post(path, json={"keypair": keypair}).status_code == 200
    user_data = base64.b64encode(PAYLOAD.encode()).decode()
    server_id = cloud.create(
        name=PAYLOAD,
        description=PAYLOAD,
        metadata={"k": PAYLOAD},
        key_name=key_name,
        user_data=user_data,
        tags=["{{ tag }}"],
    )
    entry = cloud.entries()[server_id]
    told = entry["config_drive"]["meta_data"]
    assert (entry["name"], entry["description"]) == (PAYLOAD, PAYLOAD)
    assert (told["name"], told["meta"]) == (PAYLOAD, {"k": PAYLOAD})
    assert told["public_keys"] == {key_name: KEY}
    assert told["keys"] == [{"name": key_name, "type": "ssh", "data": KEY}]
    assert entry["config_drive"]["user_data"] == user_data
    assert told["hostname"].replace("-", "").isalnum()
    shown = cloud.show(server_id)
    assert (shown["name"], shown["metadata"]["k"], shown["tags"]) == (
        PAYLOAD,
        PAYLOAD,
        ["{{ tag }}"],
    )


def test_the_config_drive_says_who_the_guest_is_and_how_it_is_wired(cloud: Cloud) -> None:
    server_id = cloud.create(name="Web 1")
    entry = cloud.entries()[server_id]
    told = entry["config_drive"]["meta_data"]
    assert told["uuid"] == server_id
    assert told["hostname"] == "web-1"
    assert told["project_id"] == cloud.caller.project_id
    assert told["availability_zone"] == "nova"
    assert told["launch_index"] == 0
    assert told["devices"] == []
    assert len(base64.b64decode(told["random_seed"])) == 512
    wires = entry["config_drive"]["network_data"]
    (port,) = entry["ports"]
    (link,) = wires["links"]
    assert (link["vif_id"], link["ethernet_mac_address"], link["mtu"]) == (
        port["id"],
        port["mac"],
        port["mtu"],
    )
    (net,) = wires["networks"]
    assert (net["type"], net["link"], net["network_id"]) == (
        "ipv4_dhcp",
        link["id"],
        cloud.network_id,
    )
    assert cloud.entries()[server_id] == entry, "the same rows give the same drive"


def test_the_image_is_part_of_the_document_while_a_disk_is_to_be_made_of_it(cloud: Cloud) -> None:
    server_id = cloud.create()
    document = cloud.document()
    assert document is not None
    assert [image["id"] for image in document["images"]] == [cloud.image_id]
    cloud.converge()
    cloud.act(server_id, "os-stop")
    changes, everything = cloud.document(), cloud.document(scope=Scope.ALL)
    assert changes is not None
    assert everything is not None
    assert changes["images"] == []
    assert [image["id"] for image in everything["images"]] == [cloud.image_id]


def test_a_document_carries_what_changed_and_a_look_carries_everything(cloud: Cloud) -> None:
    first, second = cloud.create(), cloud.create()
    cloud.converge()
    cloud.act(first, "os-stop")
    assert set(cloud.entries()) == {first}
    everything = cloud.document(scope=Scope.ALL)
    assert everything is not None
    assert {entry["id"] for entry in everything["servers"]} == {first, second}


def test_an_empty_host_is_told_nothing_and_still_tells_what_it_has(cloud: Cloud) -> None:
    assert cloud.document() is None
    document = cloud.document(scope=Scope.ALL)
    assert document is not None
    assert (document["images"], document["servers"]) == ([], [])
    cloud.answer(facts=FACTS | {"vcpus": 64})
    host = cloud.operator.get("/v1/hosts/hv1").json()["host"]
    assert host["facts"]["vcpus"] == 64


def test_a_guest_that_turned_itself_off_is_shutoff_and_can_be_started(cloud: Cloud) -> None:
    server_id = cloud.create()
    cloud.converge()
    look = cloud.document(scope=Scope.ALL)
    assert look is not None
    cloud.answer(done(look["servers"][0], "unchanged", power="off"))
    assert cloud.show(server_id)["status"] == "SHUTOFF"
    assert cloud.document() is None
    assert cloud.act(server_id, "os-start").status_code == 202
    cloud.converge()
    assert cloud.show(server_id)["status"] == "ACTIVE"


def test_a_straggler_settles_nothing_that_was_asked_after_it(cloud: Cloud) -> None:
    server_id = cloud.create()
    late = done(cloud.entries()[server_id])
    cloud.client.delete(f"{SERVERS}/{server_id}")
    assert cloud.answer(late) is True, "the target is due for the newer wish anyway"
    assert cloud.entries()[server_id]["state"] == "removed"


def test_a_failed_build_is_error_with_the_hosts_own_words(cloud: Cloud) -> None:
    server_id = cloud.create()
    cloud.answer(failed(cloud.entries()[server_id], power="absent"))
    shown = cloud.show(server_id)
    assert shown["status"] == "ERROR"
    assert shown["fault"]["message"] == "libvirt says no; look at hv1"
    assert cloud.document() is None
    assert cloud.act(server_id, "reboot", {"type": "HARD"}).status_code == 202
    cloud.converge()
    assert cloud.show(server_id)["status"] == "ACTIVE"


def test_a_problem_that_may_pass_keeps_the_server_building(cloud: Cloud) -> None:
    server_id = cloud.create()
    assert cloud.answer(failed(cloud.entries()[server_id], "later")) is False
    assert cloud.show(server_id)["status"] == "BUILD"
    assert cloud.converge() is True
    shown = cloud.show(server_id)
    assert (shown["status"], "fault" in shown) == ("ACTIVE", False)


def test_a_running_server_is_not_blamed_for_a_look_that_failed(cloud: Cloud) -> None:
    server_id = cloud.create()
    cloud.converge()
    look = cloud.document(scope=Scope.ALL)
    assert look is not None
    cloud.answer(failed(look["servers"][0], "later"))
    assert cloud.show(server_id)["status"] == "ACTIVE"


def test_an_image_that_cannot_be_fetched_is_the_servers_fault_message(cloud: Cloud) -> None:
    server_id = cloud.create()
    waiting = done(cloud.entries()[server_id], "pending", power="absent", ports={})
    image: dict[str, Any] = {
        "type": "image",
        "id": cloud.image_id,
        "generation": 0,
        "outcome": "failed",
        "found": {},
        "steps": [],
        "error": {"code": "CHECKSUM", "message": "Image is not what it was", "retry": "never"},
    }
    assert cloud.answer(image, waiting) is True
    shown = cloud.show(server_id)
    assert (shown["status"], shown["fault"]["message"]) == ("ERROR", "Image is not what it was")


def _later(cloud: Cloud, seconds: int) -> None:
    with cloud.service.store.write() as session:
        cloud.kind.expire(session, utc_now() + timedelta(seconds=seconds))


def test_nothing_stays_in_build(cloud: Cloud) -> None:
    server_id = cloud.create()
    fault = Fault(code="RUN_FAILED", message="hv1 does not answer on port 22.", at=utc_now())
    with cloud.service.store.write() as session:
        cloud.kind.failed(session, "hv1", fault, utc_now())
    _later(cloud, 1)
    assert cloud.show(server_id)["status"] == "BUILD"
    _later(cloud, cloud.service.config.build_time_limit_s + 1)
    shown = cloud.show(server_id)
    assert shown["status"] == "ERROR"
    for said in (server_id, "not built on host hv1", "does not answer on port 22", "delete it"):
        assert said in shown["fault"]["message"]


def test_a_deletion_that_takes_too_long_says_so_and_goes_on(cloud: Cloud) -> None:
    server_id = cloud.create()
    cloud.converge()
    cloud.client.delete(f"{SERVERS}/{server_id}")
    _later(cloud, cloud.service.config.build_time_limit_s + 1)
    shown = cloud.show(server_id)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ERROR", "deleting")
    assert "not deleted on host hv1" in shown["fault"]["message"]
    assert cloud.entries()[server_id]["state"] == "removed"
    cloud.converge()
    assert cloud.client.get(f"{SERVERS}/{server_id}").status_code == 404


@pytest.mark.parametrize("change", ["name", "metadata"])
def test_a_rename_reaches_the_host_and_disturbs_nothing(cloud: Cloud, change: str) -> None:
    server_id = cloud.create()
    cloud.converge()
    path = f"{SERVERS}/{server_id}"
    if change == "name":
        answer = cloud.client.put(path, json={"server": {"name": "new"}}, headers=LATEST)
    else:
        answer = cloud.client.put(f"{path}/metadata", json={"metadata": {"a": "b"}})
    assert answer.status_code == 200
    assert cloud.show(server_id)["status"] == "ACTIVE"
    told = cloud.entries()[server_id]["config_drive"]["meta_data"]
    assert told["name" if change == "name" else "meta"] == (
        "new" if change == "name" else {"a": "b"}
    )
    cloud.converge()
    assert cloud.show(server_id)["status"] == "ACTIVE"


def test_a_rename_that_a_host_does_not_hear_of_is_no_fault(cloud: Cloud) -> None:
    server_id = cloud.create()
    cloud.converge()
    cloud.client.put(f"{SERVERS}/{server_id}", json={"server": {"name": "new"}})
    fault = Fault(code="RUN_FAILED", message="hv1 does not answer.", at=utc_now())
    with cloud.service.store.write() as session:
        cloud.kind.failed(session, "hv1", fault, utc_now())
    _later(cloud, 100_000)
    shown = cloud.show(server_id)
    assert (shown["status"], "fault" in shown) == ("ACTIVE", False)
    assert cloud.entries()[server_id]["name"] == "new"


def test_a_rename_neither_mends_an_error_nor_buys_time(cloud: Cloud) -> None:
    server_id = cloud.create()
    cloud.answer(failed(cloud.entries()[server_id]))
    path = f"{SERVERS}/{server_id}"
    assert cloud.client.put(path, json={"server": {"name": "new"}}).status_code == 200
    shown = cloud.show(server_id)
    assert (shown["status"], shown["name"]) == ("ERROR", "new")
