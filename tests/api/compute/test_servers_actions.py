"""Actions: what each state allows and the words of a refusal; locks, console, tags, history."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.errors import Unavailable
from freehold.jobs import Question
from tests.api.compute.cloud import LATEST, Cloud, done, failed
from tests.support.service import admin, tenant

SERVERS = "/compute/v2.1/servers"


@pytest.fixture
def server_id(cloud: Cloud) -> str:
    """A running server."""
    server_id = cloud.create()
    cloud.converge()
    return server_id


def refusal(answer: Any) -> str:
    assert answer.status_code == 409, answer.text
    return str(answer.json()["conflictingRequest"]["message"])


def test_states_that_forbid_an_action_are_named(cloud: Cloud, server_id: str) -> None:
    told = refusal(cloud.act(server_id, "os-start"))
    assert told == f"Cannot 'start' instance {server_id} while it is in vm_state active"
    cloud.act(server_id, "os-stop")
    told = refusal(cloud.act(server_id, "os-stop"))
    assert told == f"Cannot 'stop' instance {server_id} while it is in task_state powering-off"
    cloud.converge()
    told = refusal(cloud.act(server_id, "os-stop"))
    assert told == f"Cannot 'stop' instance {server_id} while it is in vm_state stopped"
    told = refusal(cloud.act(server_id, "reboot", {"type": "SOFT"}))
    assert told == f"Cannot 'reboot' instance {server_id} while it is in vm_state stopped"


def test_a_building_server_can_only_be_deleted(cloud: Cloud) -> None:
    server_id = cloud.create()
    for action, argument in (("os-stop", None), ("os-start", None), ("reboot", {"type": "HARD"})):
        assert "vm_state building" in refusal(cloud.act(server_id, action, argument))
    assert cloud.client.delete(f"{SERVERS}/{server_id}").status_code == 204
    refusal(cloud.act(server_id, "reboot", {"type": "HARD"}))


@pytest.mark.parametrize("state", ["build", "active", "shutoff", "error", "rebooting", "no host"])
def test_a_server_can_be_deleted_in_every_state(cloud: Cloud, state: str) -> None:
    if state == "no host":
        cloud.operator.put("/v1/hosts/hv1", json={"enabled": False})
    server_id = cloud.create()
    if state == "error":
        cloud.answer(failed(cloud.entries()[server_id]))
    elif state in ("active", "shutoff", "rebooting"):
        cloud.converge()
    if state == "shutoff":
        cloud.act(server_id, "os-stop")
        cloud.converge()
    if state == "rebooting":
        cloud.act(server_id, "reboot", {"type": "SOFT"})
    assert cloud.client.delete(f"{SERVERS}/{server_id}").status_code == 204
    cloud.converge()
    assert cloud.client.get(f"{SERVERS}/{server_id}").status_code == 404


def test_an_unknown_action_is_400_and_one_of_the_api_that_is_missing_here_501(
    cloud: Cloud, server_id: str
) -> None:
    assert cloud.act(server_id, "dance").status_code == 400
    answer = cloud.act(server_id, "trigger_crash_dump")
    assert answer.status_code == 501
    assert "trigger_crash_dump is not supported" in answer.json()["notImplemented"]["message"]
    path = f"{SERVERS}/{server_id}/action"
    for body in ({}, {"os-stop": None, "os-start": None}):
        assert cloud.client.post(path, json=body).status_code == 400
    assert cloud.act(server_id, "reboot", {"type": "WARM"}).status_code == 400
    assert cloud.act(server_id, "reboot").status_code == 400


def test_a_locked_server_changes_for_operators_only(cloud: Cloud, server_id: str) -> None:
    assert cloud.act(server_id, "lock", {"locked_reason": "mine"}, **LATEST).status_code == 202
    shown = cloud.show(server_id)
    assert (shown["locked"], shown["locked_reason"]) == (True, "mine")
    assert refusal(cloud.act(server_id, "os-stop")) == f"Instance {server_id} is locked"
    assert "is locked" in refusal(cloud.client.delete(f"{SERVERS}/{server_id}"))
    operator = cloud.service.client(admin())
    path = f"{SERVERS}/{server_id}/action"
    assert operator.post(path, json={"os-stop": None}).status_code == 202
    assert cloud.act(server_id, "unlock").status_code == 202
    assert cloud.show(server_id)["locked"] is False
    assert operator.post(path, json={"lock": None}).status_code == 202
    assert cloud.act(server_id, "unlock").status_code == 403


def test_the_console_is_asked_of_the_host_with_our_own_words_only(
    cloud: Cloud, server_id: str
) -> None:
    asked: list[Question] = []

    def ask(question: Question) -> dict[str, Any]:
        asked.append(question)
        with cloud.service.store.write():  # nobody's transaction is open while a host is asked
            return {"output": "boot\x1b[0m\nlogin: "}

    cloud.service.app.state.ask = ask
    answer = cloud.act(server_id, "os-getConsoleOutput", {"length": "20"})
    assert (answer.status_code, answer.json()) == (200, {"output": "boot[0m\nlogin: "})
    assert cloud.act(server_id, "os-getConsoleOutput", {}).status_code == 200
    assert cloud.act(server_id, "os-getConsoleOutput", {"length": -1}).status_code == 200
    assert [(q.playbook, q.limit) for q in asked] == [("console_log.yml", "hv1")] * 3
    assert [dict(q.variables) for q in asked] == [
        {"freehold_server_id": server_id, "freehold_lines": 20},
        {"freehold_server_id": server_id},
        {"freehold_server_id": server_id},
    ]
    assert cloud.act(server_id, "os-getConsoleOutput", {"length": "x"}).status_code == 400


def test_a_console_that_cannot_be_asked_is_503(cloud: Cloud, server_id: str) -> None:
    def ask(question: Question) -> dict[str, Any]:
        raise Unavailable("hv1 does not answer.")

    cloud.service.app.state.ask = ask
    assert cloud.act(server_id, "os-getConsoleOutput", {}).status_code == 503


def test_each_action_is_remembered_with_its_request_and_its_end(
    cloud: Cloud, server_id: str
) -> None:
    stop = cloud.act(server_id, "os-stop")
    path = f"{SERVERS}/{server_id}/os-instance-actions"
    listed = cloud.client.get(path, headers=LATEST).json()["instanceActions"]
    assert [action["action"] for action in listed] == ["stop", "create"]
    request_id = stop.headers["x-openstack-request-id"]
    assert listed[0]["request_id"] == request_id
    shown = cloud.client.get(f"{path}/{request_id}", headers=LATEST).json()["instanceAction"]
    assert shown["events"][0]["finish_time"] is None
    cloud.converge()
    (event,) = cloud.client.get(f"{path}/{request_id}", headers=LATEST).json()["instanceAction"][
        "events"
    ]
    assert (event["event"], event["result"]) == ("compute_stop_instance", "Success")
    assert "host" not in event
    assert event["hostId"] == cloud.show(server_id)["hostId"]
    assert cloud.client.get(f"{path}/req-none").status_code == 404
    page = cloud.client.get(path, params={"limit": 1}, headers=LATEST).json()
    assert len(page["instanceActions"]) == 1
    query = page["links"][0]["href"].partition("?")[2]
    rest = cloud.client.get(f"{path}?{query}", headers=LATEST).json()["instanceActions"]
    assert [action["action"] for action in rest] == ["create"]


def test_a_failed_action_ends_in_error(cloud: Cloud, server_id: str) -> None:
    stop = cloud.act(server_id, "os-stop")
    cloud.answer(failed(cloud.entries()[server_id], power="on"))
    request_id = stop.headers["x-openstack-request-id"]
    path = f"{SERVERS}/{server_id}/os-instance-actions/{request_id}"
    shown = cloud.client.get(path, headers=LATEST).json()["instanceAction"]
    assert (shown["message"], shown["events"][0]["result"]) == ("Error", "Error")


def test_metadata_is_read_and_written(cloud: Cloud, server_id: str) -> None:
    path, client = f"{SERVERS}/{server_id}/metadata", cloud.client
    assert client.post(path, json={"metadata": {"a": "1", "b": "2"}}).status_code == 200
    assert client.put(f"{path}/a", json={"meta": {"a": "3"}}).json() == {"meta": {"a": "3"}}
    assert client.get(path).json() == {"metadata": {"a": "3", "b": "2"}}
    assert client.delete(f"{path}/b").status_code == 204
    assert client.get(f"{path}/b").status_code == 404
    assert client.put(f"{path}/a", json={"meta": {"x": "3"}}).status_code == 400
    assert client.put(path, json={"metadata": {"c": "4"}}).json() == {"metadata": {"c": "4"}}
    many = {f"k{number}": "v" for number in range(129)}
    assert client.put(path, json={"metadata": many}).status_code == 403


def test_tags_are_read_and_written_from_2_26(cloud: Cloud, server_id: str) -> None:
    path, client = f"{SERVERS}/{server_id}/tags", cloud.client
    assert client.get(path).status_code == 404
    assert client.put(path, json={"tags": ["b", "a"]}, headers=LATEST).json() == {
        "tags": ["a", "b"]
    }
    assert client.put(f"{path}/c", headers=LATEST).status_code == 201
    assert client.put(f"{path}/c", headers=LATEST).status_code == 204
    assert client.get(f"{path}/c", headers=LATEST).status_code == 204
    assert client.get(f"{path}/d", headers=LATEST).status_code == 404
    assert client.delete(f"{path}/a", headers=LATEST).status_code == 204
    assert client.get(path, headers=LATEST).json() == {"tags": ["b", "c"]}
    assert client.delete(path, headers=LATEST).status_code == 204
    assert cloud.show(server_id)["tags"] == []


def test_interfaces_addresses_and_groups_are_shown(cloud: Cloud, server_id: str) -> None:
    client, path = cloud.client, f"{SERVERS}/{server_id}"
    (interface,) = client.get(f"{path}/os-interface").json()["interfaceAttachments"]
    assert interface["net_id"] == cloud.network_id
    one = client.get(f"{path}/os-interface/{interface['port_id']}").json()
    assert one == {"interfaceAttachment": interface}
    address = interface["fixed_ips"][0]["ip_address"]
    assert client.get(f"{path}/ips").json() == {
        "addresses": {"lan": [{"version": 4, "addr": address}]}
    }
    assert client.get(f"{path}/ips/lan").json() == {"lan": [{"version": 4, "addr": address}]}
    assert client.get(f"{path}/ips/wan").status_code == 404
    (group,) = client.get(f"{path}/os-security-groups").json()["security_groups"]
    assert group["name"] == "default"
    shown = cloud.show(server_id)
    assert shown["security_groups"] == [{"name": "default"}]
    assert shown["addresses"]["lan"] == [
        {
            "version": 4,
            "addr": address,
            "OS-EXT-IPS:type": "fixed",
            "OS-EXT-IPS-MAC:mac_addr": interface["mac_addr"],
        }
    ]


def test_another_project_can_neither_see_nor_name_a_server(cloud: Cloud, server_id: str) -> None:
    client = cloud.service.client(tenant())
    path, unknown = f"{SERVERS}/{server_id}", "9f5c1a1e-0000-4000-8000-000000000000"
    assert client.get(f"{SERVERS}/detail").json() == {"servers": []}
    for method, below, body in (
        ("GET", "", None),
        ("PUT", "", {"server": {"name": "x"}}),
        ("DELETE", "", None),
        ("POST", "/action", {"os-stop": None}),
        ("POST", "/action", {"lock": None}),
        ("POST", "/action", {"os-getConsoleOutput": {}}),
        ("POST", "/action", {"dance": None}),
        ("GET", "/metadata", None),
        ("PUT", "/metadata", {"metadata": {}}),
        ("GET", "/ips", None),
        ("GET", "/os-interface", None),
        ("GET", "/os-security-groups", None),
        ("GET", "/os-instance-actions", None),
        ("PUT", "/tags", {"tags": []}),
    ):
        theirs = client.request(method, path + below, json=body, headers=LATEST)
        nobodys = client.request(method, f"{SERVERS}/{unknown}{below}", json=body, headers=LATEST)
        assert theirs.status_code == nobodys.status_code == 404, (method, below)
        assert theirs.text.replace(server_id, "") == nobodys.text.replace(unknown, "")
    assert cloud.show(server_id)["status"] == "ACTIVE"
    assert cloud.document() is None


def test_an_operator_resets_a_state(cloud: Cloud, server_id: str) -> None:
    path = f"{SERVERS}/{server_id}/action"
    assert cloud.act(server_id, "os-resetState", {"state": "error"}).status_code == 403
    operator = cloud.operator
    assert operator.post(path, json={"os-resetState": {"state": "error"}}).status_code == 202
    assert cloud.show(server_id)["status"] == "ERROR"
    assert operator.post(path, json={"os-resetState": {"state": "active"}}).status_code == 202
    cloud.answer(done(cloud.entries()[server_id], "unchanged"))
    assert cloud.show(server_id)["status"] == "ACTIVE"
