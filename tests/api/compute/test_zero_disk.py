"""Flavors without a disk size: the disk is as large as its image, and counts as that.

An image has any size that its owner likes, so only operators may (nova: zero_disk_flavor).
"""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.compute.cloud import LATEST, Cloud, done, image, make
from tests.support.service import Service
from tests.unit.image import qcow2

SERVERS = "/compute/v2.1/servers"
DISK_GIB = 20


@pytest.fixture
def cloud(service: Service) -> Cloud:
    """One host with a small disk, and a flavor without a size."""
    made = make(service, disk_gib=DISK_GIB)
    flavor = {"name": "sizeless", "vcpus": 1, "ram": 64, "disk": 0}
    answer = made.operator.post("/compute/v2.1/flavors", json={"flavor": flavor})
    made.flavor_id = answer.json()["flavor"]["id"]
    return made


def _image(operator: TestClient, virtual_bytes: int) -> str:
    return image(operator, qcow2.whole(virtual_size=virtual_bytes), "qcow2")


def _server(operator: TestClient, cloud: Cloud, image_id: str) -> dict[str, Any]:
    wish = cloud.wish(imageRef=image_id, networks="none")
    made = operator.post(SERVERS, json=wish, headers=LATEST)
    assert made.status_code == 202, made.text
    place = f"{SERVERS}/{made.json()['server']['id']}"
    shown: dict[str, Any] = operator.get(place, headers=LATEST).json()["server"]
    return shown


def _used_gib(operator: TestClient) -> int:
    (host,) = operator.get("/compute/v2.1/os-hypervisors/detail").json()["hypervisors"]
    return int(host["local_gb_used"])


def test_a_tenants_server_needs_a_flavor_with_a_size(cloud: Cloud) -> None:
    answer = cloud.client.post(SERVERS, json=cloud.wish(), headers=LATEST)
    assert answer.status_code == 403
    assert "Only volume-backed servers are allowed for flavors with zero disk" in answer.text


def test_an_operators_server_takes_its_images_size_of_the_host(cloud: Cloud) -> None:
    operator = cloud.operator
    shown = _server(operator, cloud, _image(operator, 7 * qcow2.GIB + 1))
    assert shown["flavor"]["disk"] == 0
    assert cloud.entries()[shown["id"]]["flavor"]["root_gib"] == 0
    assert _used_gib(operator) == 8


def test_a_host_without_room_for_the_image_is_not_chosen(cloud: Cloud) -> None:
    operator = cloud.operator
    large = _image(operator, 11 * qcow2.GIB)
    shown = [_server(operator, cloud, large) for _ in range(2)]
    assert shown[0]["status"] == "BUILD"
    assert shown[1]["status"] == "ERROR"
    assert "hv1 has 9 GiB of disk free, 11 are wanted" in shown[1]["fault"]["message"]


def test_a_rebuild_takes_the_size_of_the_new_image_if_the_host_has_it(cloud: Cloud) -> None:
    operator = cloud.operator
    _server(operator, cloud, _image(operator, 5 * qcow2.GIB))
    server_id = _server(operator, cloud, _image(operator, 4 * qcow2.GIB))["id"]
    cloud.answer(*(done(entry) for entry in cloud.entries().values()))

    def rebuild(gib: int) -> Any:
        wish = {"rebuild": {"imageRef": _image(operator, gib * qcow2.GIB)}}
        return operator.post(f"{SERVERS}/{server_id}/action", json=wish, headers=LATEST)

    refused = rebuild(16)
    assert refused.status_code == 400
    assert "hv1 has 11 GiB of disk free, 12 more are wanted" in refused.text
    assert _used_gib(operator) == 9
    assert rebuild(15).status_code == 202
    assert _used_gib(operator) == DISK_GIB
    cloud.answer(*(done(entry) for entry in cloud.entries().values()))
    assert rebuild(1).status_code == 202
    assert _used_gib(operator) == 6
