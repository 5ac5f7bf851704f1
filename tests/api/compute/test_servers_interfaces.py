"""Interfaces and addresses come and go while a server runs: rows, documents, and what fails."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from freehold.jobs import Fault
from freehold.store import utc_now
from tests.api.compute.cloud import LATEST, Cloud, done, failed, network
from tests.support.service import enrol, tenant

SERVERS = "/compute/v2.1/servers"
NETWORK = "/network/v2.0"
UNKNOWN = "9f5c1a1e-0000-4000-8000-000000000000"


@pytest.fixture
def server_id(cloud: Cloud) -> str:
    """A running server on the network ``lan``."""
    server_id = cloud.create()
    cloud.converge()
    return server_id


def _ask(cloud: Cloud, server_id: str, version: str = "2.96", **wish: Any) -> Any:
    body = {"interfaceAttachment": wish} if wish else {}
    headers = {"OpenStack-API-Version": f"compute {version}"}
    return cloud.client.post(f"{SERVERS}/{server_id}/os-interface", json=body, headers=headers)


def _attach(cloud: Cloud, server_id: str, **wish: Any) -> dict[str, Any]:
    answer = _ask(cloud, server_id, **wish)
    assert answer.status_code == 200, answer.text
    attached: dict[str, Any] = answer.json()["interfaceAttachment"]
    return attached


def _detach(cloud: Cloud, server_id: str, port_id: str) -> Any:
    return cloud.client.delete(f"{SERVERS}/{server_id}/os-interface/{port_id}", headers=LATEST)


def _interfaces(cloud: Cloud, server_id: str) -> list[dict[str, Any]]:
    answer = cloud.client.get(f"{SERVERS}/{server_id}/os-interface", headers=LATEST)
    found: list[dict[str, Any]] = answer.json()["interfaceAttachments"]
    return found


def _port(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    body = {"port": {"network_id": cloud.network_id, **fields}}
    answer = cloud.client.post(f"{NETWORK}/ports", json=body)
    assert answer.status_code == 201, answer.text
    port: dict[str, Any] = answer.json()["port"]
    return port


def _action(cloud: Cloud, server_id: str, name: str) -> tuple[str | None, str | None]:
    """How the newest action of this name went, and why."""
    path = f"{SERVERS}/{server_id}/os-instance-actions"
    rows = cloud.client.get(path, headers=LATEST).json()["instanceActions"]
    request = next(row["request_id"] for row in rows if row["action"] == name)
    operator = cloud.operator.get(f"{path}/{request}", headers=LATEST).json()["instanceAction"]
    (event,) = operator["events"]
    assert event["event"] == f"compute_{name}"
    return event["result"], event["details"]


def _told(cloud: Cloud, server_id: str) -> set[str]:
    """The ports that the host is told of."""
    return {port["id"] for port in cloud.entries()[server_id]["ports"]}


def _later(cloud: Cloud, seconds: int) -> None:
    with cloud.service.store.write() as session:
        cloud.kind.expire(session, utc_now() + timedelta(seconds=seconds))


def test_a_running_server_gets_an_interface_on_a_network(cloud: Cloud, server_id: str) -> None:
    wan = network(cloud, "wan", "10.2.0.0/24")
    fixed = [{"ip_address": "10.2.0.77"}]
    attached = _attach(cloud, server_id, net_id=wan, fixed_ips=fixed, tag="uplink")
    assert (attached["net_id"], attached["tag"]) == (wan, "uplink")
    assert attached["fixed_ips"][0]["ip_address"] == "10.2.0.77"
    assert attached["port_state"] == "DOWN"
    assert cloud.show(server_id)["status"] == "ACTIVE"
    assert _action(cloud, server_id, "attach_interface") == (None, None)
    entry = cloud.entries()[server_id]
    assert entry["ports"][1]["mac"] == attached["mac_addr"]
    assert entry["boot_serial"] == 1
    (device,) = entry["config_drive"]["meta_data"]["devices"]
    assert (device["type"], device["mac"], device["tags"]) == (
        *("nic", attached["mac_addr"], ["uplink"]),
    )
    cloud.converge()
    assert _interfaces(cloud, server_id)[1] == attached | {"port_state": "ACTIVE"}
    assert cloud.show(server_id)["addresses"]["wan"][0]["addr"] == "10.2.0.77"
    assert _action(cloud, server_id, "attach_interface") == ("Success", None)
    assert cloud.document() is None


def test_without_a_wish_the_only_network_is_taken(cloud: Cloud, server_id: str) -> None:
    assert _attach(cloud, server_id)["net_id"] == cloud.network_id
    network(cloud, "wan", "10.2.0.0/24")
    answer = _ask(cloud, server_id)
    assert (answer.status_code, "Multiple possible networks" in answer.text) == (400, True)


def test_a_made_port_goes_with_its_interface_and_a_brought_one_is_free(
    cloud: Cloud, server_id: str
) -> None:
    brought = _port(cloud)["id"]
    made = _attach(cloud, server_id, net_id=cloud.network_id)["port_id"]
    assert _attach(cloud, server_id, port_id=brought)["port_id"] == brought
    cloud.converge()
    for port_id in (made, brought):
        answer = _detach(cloud, server_id, port_id)
        assert (answer.status_code, answer.text) == (202, "")
        assert port_id not in _told(cloud, server_id)
    assert _action(cloud, server_id, "detach_interface") == (None, None)
    cloud.converge()
    assert _action(cloud, server_id, "detach_interface") == ("Success", None)
    assert cloud.client.get(f"{NETWORK}/ports/{made}").status_code == 404
    port = cloud.client.get(f"{NETWORK}/ports/{brought}").json()["port"]
    assert (port["device_id"], port["device_owner"], port["status"]) == ("", "", "DOWN")
    assert _detach(cloud, server_id, brought).status_code == 404
    assert len(_interfaces(cloud, server_id)) == 1


def test_a_late_answer_does_not_bind_a_port_that_has_left(cloud: Cloud, server_id: str) -> None:
    brought = _port(cloud)["id"]
    _attach(cloud, server_id, port_id=brought)
    late = done(cloud.entries()[server_id])
    _detach(cloud, server_id, brought)
    cloud.answer(late)
    port = cloud.client.get(f"{NETWORK}/ports/{brought}").json()["port"]
    assert port["status"] == "DOWN"
    assert brought not in _told(cloud, server_id)


def test_a_port_deleted_by_the_networking_api_leaves_its_server(
    cloud: Cloud, server_id: str
) -> None:
    kept = _interfaces(cloud, server_id)[0]["port_id"]
    lost = _attach(cloud, server_id, net_id=cloud.network_id)["port_id"]
    cloud.converge()
    assert cloud.document() is None
    assert cloud.client.delete(f"{NETWORK}/ports/{lost}").status_code == 204
    assert _told(cloud, server_id) == {kept}
    assert cloud.show(server_id)["status"] == "ACTIVE"
    cloud.converge()
    assert [one["port_id"] for one in _interfaces(cloud, server_id)] == [kept]


def test_a_lost_port_mends_no_server_in_error(cloud: Cloud) -> None:
    server_id = cloud.create()
    cloud.answer(failed(cloud.entries()[server_id]))
    port_id = _interfaces(cloud, server_id)[0]["port_id"]
    assert cloud.client.delete(f"{NETWORK}/ports/{port_id}").status_code == 204
    assert cloud.show(server_id)["status"] == "ERROR"
    assert cloud.document() is None


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"net_id": UNKNOWN}, 404, UNKNOWN),
        ({"port_id": UNKNOWN}, 404, UNKNOWN),
        ({"port_id": "{taken}"}, 409, "in use"),
        ({"net_id": "{lan}", "port_id": "{taken}"}, 400, "both"),
        ({"fixed_ips": [{"ip_address": "10.1.0.9"}]}, 400, "Must input network_id"),
        ({"net_id": "{lan}", "fixed_ips": [{"ip_address": "{address}"}]}, 409, "already allocated"),
        ({"net_id": "{lan}", "fixed_ips": [{"ip_address": "10.9.0.9"}]}, 400, "not a valid IP"),
        ({"net_id": "{lan}", "fixed_ips": []}, 400, "fixed_ips"),
        ({"net_id": "{lan}", "fixed_ips": [{}]}, 400, "ip_address"),
        ({"net_id": "{bare}"}, 400, "requires a subnet"),
        ({"net_id": "{full}"}, 400, "No more IP addresses"),
        ({"net_id": None}, 400, "null"),
        ({"net_id": "lan"}, 400, "net_id"),
        ({"net_id": "{lan}", "tag": "a,b"}, 400, "tag"),
        ({"net_id": "{lan}", "colour": "red"}, 400, "colour"),
    ],
)
def test_what_cannot_be_attached_is_refused_and_changes_nothing(
    cloud: Cloud, server_id: str, wish: dict[str, Any], status: int, words: str
) -> None:
    (interface,) = _interfaces(cloud, server_id)
    bare = cloud.client.post(f"{NETWORK}/networks", json={"network": {}}).json()["network"]["id"]
    full = network(cloud, "full", "10.3.0.0/30")
    cloud.client.post(f"{NETWORK}/ports", json={"port": {"network_id": full}})
    names = {
        "{taken}": interface["port_id"],
        "{lan}": cloud.network_id,
        "{bare}": bare,
        "{full}": full,
        "{address}": interface["fixed_ips"][0]["ip_address"],
    }

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [{key: filled(one) for key, one in entry.items()} for entry in value]
        return names.get(value, value)

    answer = _ask(cloud, server_id, **{key: filled(value) for key, value in wish.items()})
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert cloud.document() is None
    assert _interfaces(cloud, server_id) == [interface]


def test_a_tag_is_unknown_before_its_microversion(cloud: Cloud, server_id: str) -> None:
    wish = {"net_id": cloud.network_id, "tag": "uplink"}
    assert _ask(cloud, server_id, "2.48", **wish).status_code == 400
    answer = _ask(cloud, server_id, "2.49", **wish)
    assert answer.status_code == 200
    assert "tag" not in answer.json()["interfaceAttachment"]
    assert _interfaces(cloud, server_id)[1]["tag"] == "uplink"


def test_a_server_is_made_with_tagged_interfaces(cloud: Cloud) -> None:
    port = _port(cloud)["id"]
    wish = [{"uuid": cloud.network_id, "tag": "one"}, {"port": port, "tag": "two"}]
    server_id = cloud.create(networks=wish)
    assert {one["tag"] for one in _interfaces(cloud, server_id)} == {"one", "two"}
    devices = cloud.entries()[server_id]["config_drive"]["meta_data"]["devices"]
    assert sorted(device["tags"][0] for device in devices) == ["one", "two"]


def test_ports_of_the_quota_are_the_limit(cloud: Cloud, server_id: str) -> None:
    project = cloud.caller.project_id
    limits = {"quota": {"port": 1}}
    cloud.operator.put(f"{NETWORK}/quotas/{project}", json=limits)
    answer = _ask(cloud, server_id, net_id=cloud.network_id)
    assert answer.status_code == 403, answer.text
    assert cloud.document() is None


def test_a_port_of_another_project_is_an_unknown_one(cloud: Cloud, server_id: str) -> None:
    other = Cloud(cloud.service, tenant())
    enrol(cloud.service, other.caller)
    other.network_id = network(other, "theirs")
    theirs = _port(other)["id"]
    for wish in ({"port_id": theirs}, {"net_id": other.network_id}):
        assert _ask(cloud, server_id, **wish).status_code == 404


@pytest.mark.parametrize(
    ("state", "allowed"), [("pause", True), ("os-stop", True), ("suspend", False)]
)
def test_interfaces_change_in_states_as_novas(
    cloud: Cloud, server_id: str, state: str, allowed: bool
) -> None:
    cloud.act(server_id, state)
    assert _ask(cloud, server_id, net_id=cloud.network_id).status_code == 409
    cloud.converge()
    before = cloud.show(server_id)["status"]
    answer = _ask(cloud, server_id, net_id=cloud.network_id)
    assert answer.status_code == (200 if allowed else 409), answer.text
    first = _interfaces(cloud, server_id)[0]["port_id"]
    answer = _detach(cloud, server_id, first)
    assert answer.status_code == (202 if allowed else 409), answer.text
    if not allowed:
        assert "Cannot 'detach_interface' instance" in answer.text
    cloud.converge()
    assert cloud.show(server_id)["status"] == before


def test_a_locked_server_keeps_its_interfaces(cloud: Cloud, server_id: str) -> None:
    (interface,) = _interfaces(cloud, server_id)
    address = interface["fixed_ips"][0]["ip_address"]
    cloud.act(server_id, "lock")
    for answer in (
        _ask(cloud, server_id, net_id=cloud.network_id),
        _detach(cloud, server_id, interface["port_id"]),
        cloud.act(server_id, "addFixedIp", {"networkId": cloud.network_id}),
        cloud.act(server_id, "removeFixedIp", {"address": address}),
    ):
        assert (answer.status_code, "locked" in answer.text) == (409, True), answer.text
    assert cloud.document() is None


def _waits(cloud: Cloud, server_id: str, words: str) -> None:
    entry = cloud.entries()[server_id]
    assert cloud.answer(done(entry, "pending", waiting_for=words)) is False


def test_a_guest_that_does_not_let_go_ends_the_action_and_not_the_server(
    cloud: Cloud, server_id: str
) -> None:
    port_id = _interfaces(cloud, server_id)[0]["port_id"]
    _detach(cloud, server_id, port_id)
    _waits(cloud, server_id, f"the guest to let ports {port_id} go")
    _later(cloud, 170)
    assert _action(cloud, server_id, "detach_interface") == (None, None)
    _later(cloud, 190)
    result, details = _action(cloud, server_id, "detach_interface")
    assert (result, f"to let ports {port_id} go. An" in str(details)) == ("Error", True)
    assert "reboot the server hard" in str(details)
    assert cloud.show(server_id)["status"] == "ACTIVE"
    assert cloud.document() is None
    cloud.act(server_id, "reboot", {"type": "HARD"})
    cloud.converge()
    assert cloud.show(server_id)["status"] == "ACTIVE"


def test_a_host_that_is_away_ends_the_action_and_not_the_server(
    cloud: Cloud, server_id: str
) -> None:
    _attach(cloud, server_id, net_id=cloud.network_id)
    late = utc_now() + timedelta(seconds=200)
    fault = Fault(code="RUN_FAILED", message="hv1 does not answer.", at=late)
    with cloud.service.store.write() as session:
        cloud.kind.failed(session, "hv1", fault, late)
    result, details = _action(cloud, server_id, "attach_interface")
    assert (result, "hv1 does not answer" in str(details)) == ("Error", True)
    assert cloud.show(server_id)["status"] == "ACTIVE"


def test_a_server_that_is_deleted_meanwhile_goes(cloud: Cloud, server_id: str) -> None:
    brought = _port(cloud)["id"]
    _attach(cloud, server_id, port_id=brought)
    cloud.client.delete(f"{SERVERS}/{server_id}")
    cloud.converge()
    assert cloud.client.get(f"{SERVERS}/{server_id}").status_code == 404
    port = cloud.client.get(f"{NETWORK}/ports/{brought}").json()["port"]
    assert port["device_id"] == ""


def _addresses(cloud: Cloud, server_id: str) -> list[str]:
    shown = cloud.client.get(f"{SERVERS}/{server_id}/ips").json()["addresses"]
    return [entry["addr"] for entry in shown.get("lan", [])]


def test_an_address_comes_and_goes(cloud: Cloud, server_id: str) -> None:
    (first,) = _addresses(cloud, server_id)
    assert cloud.act(server_id, "addFixedIp", {"networkId": cloud.network_id}).status_code == 202
    assert first in _addresses(cloud, server_id)
    assert len(_addresses(cloud, server_id)) == 2
    cloud.converge()
    assert cloud.act(server_id, "removeFixedIp", {"address": first}).status_code == 202
    (second,) = _addresses(cloud, server_id)
    assert second != first
    port = _port(cloud, fixed_ips=[{"ip_address": first}])
    assert port["fixed_ips"][0]["ip_address"] == first
    cloud.converge()
    assert cloud.show(server_id)["status"] == "ACTIVE"
    assert cloud.document() is None


@pytest.mark.parametrize(
    ("action", "argument", "status"),
    [
        ("addFixedIp", {"networkId": UNKNOWN}, 404),
        ("addFixedIp", {"networkId": "{wan}"}, 404),
        ("addFixedIp", {}, 400),
        ("addFixedIp", {"networkId": "{lan}", "colour": "red"}, 400),
        ("removeFixedIp", {"address": "10.1.0.250"}, 400),
        ("removeFixedIp", {"address": "nowhere"}, 400),
        ("removeFixedIp", None, 400),
    ],
)
def test_addresses_that_make_no_sense_are_refused(
    cloud: Cloud, server_id: str, action: str, argument: Any, status: int
) -> None:
    names = {"{lan}": cloud.network_id, "{wan}": network(cloud, "wan", "10.2.0.0/24")}
    if argument:
        argument = {key: names.get(value, value) for key, value in argument.items()}
    answer = cloud.act(server_id, action, argument)
    assert answer.status_code == status, answer.text
    assert cloud.document() is None


def test_a_network_without_addresses_left_gives_none(cloud: Cloud) -> None:
    full = network(cloud, "full", "10.3.0.0/30")
    server_id = cloud.create(networks=[{"uuid": full}])
    cloud.converge()
    answer = cloud.act(server_id, "addFixedIp", {"networkId": full})
    assert (answer.status_code, "No more IP addresses" in answer.text) == (400, True), answer.text


@pytest.mark.parametrize("action", ["addFixedIp", "removeFixedIp"])
def test_the_address_actions_end_with_their_microversion(
    cloud: Cloud, server_id: str, action: str
) -> None:
    argument = {"networkId": cloud.network_id, "address": _addresses(cloud, server_id)[0]}
    wanted = {"addFixedIp": "networkId", "removeFixedIp": "address"}[action]
    body = {wanted: argument[wanted]}
    headers = {"OpenStack-API-Version": "compute 2.44"}
    assert cloud.act(server_id, action, body, **headers).status_code == 404
    headers = {"OpenStack-API-Version": "compute 2.43"}
    assert cloud.act(server_id, action, body, **headers).status_code == 202
