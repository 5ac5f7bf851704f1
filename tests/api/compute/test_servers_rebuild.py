"""Rebuild, pause and suspend: what the host is told, and what the tenant sees on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.compute.cloud import LATEST, Cloud, done, failed

SERVERS = "/compute/v2.1/servers"


@pytest.fixture
def server_id(cloud: Cloud) -> str:
    """A running server."""
    server_id = cloud.create(metadata={"kept": "no"})
    cloud.converge()
    return server_id


def _rebuild(cloud: Cloud, server_id: str, **fields: Any) -> Any:
    wish = {"imageRef": cloud.image_id} | fields
    return cloud.act(server_id, "rebuild", wish, **LATEST)


def _serials(entry: dict[str, Any]) -> tuple[int, int, str]:
    return entry["disk_serial"], entry["boot_serial"], entry["power"]


def test_a_running_server_is_made_anew_and_runs_again(cloud: Cloud, server_id: str) -> None:
    answer = _rebuild(cloud, server_id, name="anew", metadata={"new": "yes"}, user_data="YQ==")
    assert answer.status_code == 202, answer.text
    told = answer.json()["server"]
    assert (told["status"], told["name"], told["metadata"]) == ("REBUILD", "anew", {"new": "yes"})
    assert told["user_data"] == "YQ=="
    entry = cloud.entries()[server_id]
    assert _serials(entry) == (2, 2, "on")
    assert cloud.document()["images"], "the image is wanted on the host again"
    assert entry["config_drive"]["user_data"] == "YQ=="
    assert entry["config_drive"]["meta_data"]["admin_pass"] == told["adminPass"]
    cloud.converge()
    assert cloud.show(server_id)["status"] == "ACTIVE"
    assert cloud.document() is None


def test_an_operator_is_told_everything_and_user_data_once(cloud: Cloud, server_id: str) -> None:
    wish = {"rebuild": {"imageRef": cloud.image_id, "user_data": "YQ=="}}
    path = f"/compute/v2.1/servers/{server_id}/action"
    answer = cloud.operator.post(path, json=wish, headers=LATEST)
    told = answer.json()["server"]
    assert (told["OS-EXT-SRV-ATTR:host"], told["user_data"]) == ("hv1", "YQ==")
    assert "OS-EXT-SRV-ATTR:user_data" not in told


def test_a_stopped_server_is_made_anew_and_stays_off(cloud: Cloud, server_id: str) -> None:
    cloud.act(server_id, "os-stop")
    cloud.converge()
    _rebuild(cloud, server_id)
    assert cloud.show(server_id)["status"] == "REBUILD"
    assert _serials(cloud.entries()[server_id]) == (2, 1, "off")
    cloud.converge()
    assert cloud.show(server_id)["status"] == "SHUTOFF"


def test_a_rebuild_that_fails_is_an_error_and_can_be_asked_again(
    cloud: Cloud, server_id: str
) -> None:
    _rebuild(cloud, server_id)
    cloud.answer(failed(cloud.entries()[server_id]))
    shown = cloud.show(server_id)
    assert (shown["status"], "libvirt" in shown["fault"]["message"]) == ("ERROR", True)
    assert _rebuild(cloud, server_id).status_code == 202
    cloud.converge()
    assert cloud.show(server_id)["status"] == "ACTIVE"


def test_what_is_left_out_of_a_rebuild_stays(cloud: Cloud, server_id: str) -> None:
    _rebuild(cloud, server_id)
    shown = cloud.show(server_id)
    assert (shown["name"], shown["metadata"]) == ("web", {"kept": "no"})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"imageRef": "8d7b5f5e-0000-4000-8000-000000000000"}, "Can not find requested image"),
        ({"imageRef": None}, "imageRef"),
        ({"name": " "}, "name"),
        ({"key_name": "nobody's"}, "Invalid key_name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_rebuild_that_makes_no_sense_is_refused(
    cloud: Cloud, server_id: str, fields: dict[str, Any], words: str
) -> None:
    answer = _rebuild(cloud, server_id, **fields)
    assert (answer.status_code, words in answer.text) == (400, True), answer.text
    assert cloud.document() is None


def test_newer_fields_of_a_rebuild_are_unknown_to_older_clients(
    cloud: Cloud, server_id: str
) -> None:
    wish = {"imageRef": cloud.image_id, "user_data": "YQ=="}
    assert cloud.act(server_id, "rebuild", wish).status_code == 400


@pytest.mark.parametrize(
    ("there", "back", "power", "status", "tasks"),
    [
        ("pause", "unpause", "paused", "PAUSED", ("pausing", "unpausing")),
        ("suspend", "resume", "suspended", "SUSPENDED", ("suspending", "resuming")),
    ],
)
def test_a_guest_stands_still_and_goes_on(
    cloud: Cloud, server_id: str, there: str, back: str, power: str, status: str, tasks: Any
) -> None:
    task = "OS-EXT-STS:task_state"
    assert cloud.act(server_id, back).status_code == 409
    assert cloud.act(server_id, there).status_code == 202
    assert cloud.show(server_id)[task] == tasks[0]
    assert _serials(cloud.entries()[server_id]) == (1, 1, power)
    cloud.converge()
    assert cloud.show(server_id)["status"] == status
    assert cloud.act(server_id, back).status_code == 202
    assert cloud.show(server_id)[task] == tasks[1]
    assert _serials(cloud.entries()[server_id]) == (1, 1, "on")
    cloud.answer(done(cloud.entries()[server_id]))
    assert cloud.show(server_id)["status"] == "ACTIVE"


@pytest.mark.parametrize("still", ["pause", "suspend"])
def test_a_hard_reboot_brings_any_guest_back(cloud: Cloud, server_id: str, still: str) -> None:
    cloud.act(server_id, still)
    cloud.converge()
    assert cloud.act(server_id, "reboot", {"type": "HARD"}).status_code == 202
    assert _serials(cloud.entries()[server_id]) == (1, 2, "on")
    cloud.converge()
    assert cloud.show(server_id)["status"] == "ACTIVE"
