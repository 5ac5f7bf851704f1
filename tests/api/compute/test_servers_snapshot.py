"""Images of servers: the host is asked for a copy, uploads it, and the image is there."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.api.compute.cloud import LATEST, Cloud
from tests.unit.image.qcow2 import whole

SERVERS, IMAGES = "/compute/v2.1/servers", "/image/v2/images"


@pytest.fixture
def server_id(cloud: Cloud) -> str:
    """A running server."""
    server_id = cloud.create()
    cloud.converge()
    return server_id


def _ask(cloud: Cloud, server_id: str, **wish: Any) -> str:
    answer = cloud.act(server_id, "createImage", {"name": "copy"} | wish, **LATEST)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["image_id"])


def _copy(cloud: Cloud) -> dict[str, Any]:
    document = cloud.document()
    assert document is not None
    (entry,) = document["snapshots"]
    assert isinstance(entry, dict)
    return entry


def _upload(cloud: Cloud, entry: dict[str, Any], data: bytes, token: str | None = None) -> int:
    headers = {
        "Authorization": f"Bearer {token or entry['token']}",
        "Content-Type": "application/octet-stream",
    }
    path = urlsplit(entry["url"]).path
    return cloud.service.client().put(path, content=data, headers=headers).status_code


def _has_data(cloud: Cloud, entry: dict[str, Any]) -> int:
    headers = {"Authorization": f"Bearer {entry['token']}"}
    return cloud.service.client().get(urlsplit(entry["url"]).path, headers=headers).status_code


def _answer(cloud: Cloud, entry: dict[str, Any], retry: str | None = None) -> None:
    error = {"code": "X", "message": "the disk is gone", "retry": retry} if retry else None
    cloud.answer(
        {
            "type": "snapshot",
            "id": entry["id"],
            "generation": entry["generation"],
            "outcome": "failed" if retry else "changed",
            "found": {"uploaded": retry is None},
            "steps": [],
            "error": error,
        }
    )


def test_a_copy_becomes_an_image_that_servers_can_be_made_of(cloud: Cloud, server_id: str) -> None:
    image_id = _ask(cloud, server_id, metadata={"colour": "blue"})
    entry = _copy(cloud)
    assert (entry["id"], entry["server_id"]) == (image_id, server_id)
    assert _has_data(cloud, entry) == 409
    assert _upload(cloud, entry, whole()) == 204
    assert _has_data(cloud, entry) == 204
    _answer(cloud, entry)
    assert cloud.document() is None
    image = cloud.client.get(f"{IMAGES}/{image_id}").json()
    assert (image["status"], image["visibility"]) == ("active", "private")
    assert (image["instance_uuid"], image["colour"]) == (server_id, "blue")
    assert (image["min_disk"], cloud.show(server_id)["status"]) == (1, "ACTIVE")
    cloud.create(imageRef=image_id)


def test_a_server_is_copied_once_at_a_time(cloud: Cloud, server_id: str) -> None:
    first = _ask(cloud, server_id)
    answer = cloud.act(server_id, "createImage", {"name": "again"}, **LATEST)
    assert (answer.status_code, "image_snapshot" in answer.text) == (409, True)
    images = cloud.client.get(f"{IMAGES}?name=again").json()["images"]
    assert images == []
    entry = _copy(cloud)
    assert _upload(cloud, entry, whole()) == 204
    _answer(cloud, entry)
    assert _ask(cloud, server_id) != first


def test_a_copy_that_can_never_be_takes_its_image_with_it(cloud: Cloud, server_id: str) -> None:
    image_id = _ask(cloud, server_id)
    entry = _copy(cloud)
    _answer(cloud, entry, retry="later")
    assert _copy(cloud)["id"] == image_id
    _answer(cloud, entry, retry="never")
    assert cloud.document() is None
    assert cloud.client.get(f"{IMAGES}/{image_id}").status_code == 404
    (action,) = [
        one
        for one in cloud.client.get(f"{SERVERS}/{server_id}/os-instance-actions").json()[
            "instanceActions"
        ]
        if one["action"] == "createImage"
    ]
    assert action["message"] == "Error"


def test_a_link_writes_its_own_image_only(cloud: Cloud, server_id: str) -> None:
    _ask(cloud, server_id)
    entry = _copy(cloud)
    assert _upload(cloud, entry, b"x", token="0.forged") == 401
    other = dict(entry, url=entry["url"].replace(entry["id"], cloud.image_id))
    assert _upload(cloud, other, b"x") == 401
    assert _upload(cloud, entry, b"no qcow2 at all") in (400, 415)
    assert _has_data(cloud, entry) == 409


def test_an_image_that_is_deleted_meanwhile_ends_the_copy(cloud: Cloud, server_id: str) -> None:
    image_id = _ask(cloud, server_id)
    entry = _copy(cloud)
    assert cloud.client.delete(f"{IMAGES}/{image_id}").status_code == 204
    assert _has_data(cloud, entry) == 404
    _answer(cloud, entry, retry="never")
    assert cloud.document() is None


def test_older_clients_find_the_image_in_novas_form(cloud: Cloud, server_id: str) -> None:
    answer = cloud.act(server_id, "createImage", {"name": "copy", "metadata": {"a": "b"}})
    path = urlsplit(answer.headers["location"]).path
    shown = cloud.client.get(path).json()["image"]
    assert (shown["name"], shown["status"], shown["minDisk"]) == ("copy", "SAVING", 1)
    assert shown["metadata"]["a"] == "b"
    assert shown["server"]["id"] == server_id
    newer = {"OpenStack-API-Version": "compute 2.36"}
    assert cloud.client.get(path, headers=newer).status_code == 404
    assert cloud.client.delete(path).status_code == 204
    assert cloud.client.get(path).status_code == 404


@pytest.mark.parametrize("wish", [{}, {"name": ""}, {"name": "x" * 256}, {"name": "x", "b": 1}])
def test_what_is_no_wish_for_an_image_is_refused(
    cloud: Cloud, server_id: str, wish: dict[str, Any]
) -> None:
    assert cloud.act(server_id, "createImage", wish).status_code == 400
    assert cloud.document() is None


def test_a_server_that_is_being_built_has_no_disk_to_copy(cloud: Cloud) -> None:
    server_id = cloud.create()
    assert cloud.act(server_id, "createImage", {"name": "copy"}).status_code == 409
