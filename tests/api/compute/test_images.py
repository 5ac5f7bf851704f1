"""Images in nova's old form: what clients of the first microversions find, by name above all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.compute.cloud import LATEST, Cloud
from tests.support.service import tenant

IMAGES = "/compute/v2.1/images"
WHEN = "2030-01-01T00:00:00Z"


@pytest.fixture
def made(cloud: Cloud) -> str:
    """An image of the tenant's own that has no data yet."""
    wish = {"name": "old", "container_format": "bare", "disk_format": "raw", "min_ram": 64}
    wish |= {
        "min_disk": 3,
        "colour": "red",
        "instance_uuid": "9f5c1a1e-0000-4000-8000-000000000000",
    }
    return str(cloud.client.post("/image/v2/images", json=wish).json()["id"])


def _ids(cloud: Cloud, query: str) -> list[str]:
    answer = cloud.client.get(f"{IMAGES}?{query}")
    assert answer.status_code == 200, answer.text
    return [image["id"] for image in answer.json()["images"]]


def test_a_list_names_images_and_details_tell_all_of_them(cloud: Cloud, made: str) -> None:
    images: list[dict[str, Any]] = cloud.client.get(IMAGES).json()["images"]
    assert [image["id"] for image in images] == [made, cloud.image_id]
    assert set(images[0]) == {"id", "name", "links"}
    details = cloud.client.get(f"{IMAGES}/detail").json()["images"]
    for image in details:
        assert cloud.client.get(f"{IMAGES}/{image['id']}").json() == {"image": image}
    assert (details[0]["status"], details[0]["progress"]) == ("SAVING", 0)
    assert (details[0]["minDisk"], details[0]["minRam"]) == (3, 64)
    assert details[0]["metadata"]["colour"] == "red"
    assert details[0]["server"]["id"] == details[0]["metadata"]["instance_uuid"]
    assert details[1]["status"] == "ACTIVE"


@pytest.mark.parametrize(
    "query",
    [
        "name=old",
        "status=SAVING",
        "server=9f5c1a1e-0000-4000-8000-000000000000",
        "server=http://cloud/servers/9f5c1a1e-0000-4000-8000-000000000000",
        "minRam=64",
        "minDisk=3",
        "property-colour=red",
        "changes-since=2001-01-01T00:00:00Z&name=old&nonsense=x",
    ],
)
def test_a_filter_finds_what_it_names(cloud: Cloud, made: str, query: str) -> None:
    assert _ids(cloud, query) == [made]


@pytest.mark.parametrize(
    "query", ["name=new", "type=snapshot", f"changes-since={WHEN}", "property-colour=blue"]
)
def test_a_filter_leaves_out_the_rest(cloud: Cloud, made: str, query: str) -> None:
    assert _ids(cloud, query) == []


@pytest.mark.parametrize(
    "query", ["limit=x", "limit=-1", "marker=nobody", "minRam=x", "changes-since=today"]
)
def test_nonsense_is_refused(cloud: Cloud, query: str) -> None:
    answer = cloud.client.get(f"{IMAGES}?{query}")
    assert (answer.status_code, list(answer.json())) == (400, ["badRequest"])


def test_pages_lead_to_each_other(cloud: Cloud, made: str) -> None:
    first = cloud.client.get(f"{IMAGES}/detail?limit=1&minRam=64").json()
    assert "images_links" not in first
    first = cloud.client.get(f"{IMAGES}/detail?limit=1").json()
    assert [image["id"] for image in first["images"]] == [made]
    (link,) = first["images_links"]
    second = cloud.client.get(link["href"]).json()
    assert [image["id"] for image in second["images"]] == [cloud.image_id]
    assert "images_links" not in second


def test_others_see_only_what_is_public(cloud: Cloud, made: str) -> None:
    images = cloud.service.client(tenant()).get(IMAGES).json()["images"]
    assert made not in [image["id"] for image in images]
    assert cloud.service.client(tenant()).get(f"{IMAGES}/{made}").status_code == 404


def test_it_is_gone_with_microversion_2_36(cloud: Cloud) -> None:
    for path in (IMAGES, f"{IMAGES}/detail", f"{IMAGES}/{cloud.image_id}"):
        assert cloud.client.get(path, headers=LATEST).status_code == 404
