"""Images are created, changed and deleted as the API reference says."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from freehold.store import new_id
from tests.api.image.glance import IMAGES, active, create, files, patch, replace, show, upload
from tests.support.service import Service, tenant


def test_a_new_image_is_queued_and_shows_what_was_said(owner: TestClient) -> None:
    answer = owner.post(
        IMAGES,
        json={
            "name": "{{ lookup('pipe', 'id') }}",
            "disk_format": "qcow2",
            "container_format": "bare",
            "min_disk": 1,
            "min_ram": 64,
            "tags": ["b", "a", "b"],
            "os_distro": "debian",
        },
    )
    image = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(f"/image{image['self']}")
    assert image["name"] == "{{ lookup('pipe', 'id') }}"
    assert (image["status"], image["visibility"]) == ("queued", "shared")
    assert (image["size"], image["virtual_size"], image["checksum"]) == (None, None, None)
    assert image["tags"] == ["a", "b"]
    assert image["os_distro"] == "debian"
    assert show(owner, image["id"]) == image


def test_an_image_has_no_tasks(owner: TestClient, stranger: TestClient) -> None:
    path = f"{IMAGES}/{create(owner)['id']}/tasks"
    assert owner.get(path).json() == {"tasks": []}
    assert stranger.get(path).status_code == 404


def test_an_id_may_be_given_once_for_ever(owner: TestClient, stranger: TestClient) -> None:
    image_id = new_id()
    assert create(owner, id=image_id.upper())["id"] == image_id
    assert stranger.post(IMAGES, json={"id": image_id}).status_code == 409
    assert owner.delete(f"{IMAGES}/{image_id}").status_code == 204
    assert stranger.post(IMAGES, json={"id": image_id}).status_code == 409


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"id": "not-a-uuid"}, 400),
        ({"disk_format": "vmdk"}, 400),
        ({"disk_format": "wrong"}, 400),
        ({"container_format": "wrong"}, 400),
        ({"visibility": "secret"}, 400),
        ({"min_disk": -1}, 400),
        ({"min_ram": "1"}, 400),
        ({"min_ram": 2**31}, 400),
        ({"protected": "yes"}, 400),
        ({"name": 7}, 400),
        ({"name": "n" * 256}, 400),
        ({"name": "a\0b"}, 400),
        ({"colour": 7}, 400),
        ({"colour": "a\0b"}, 400),
        ({"n" * 256: "x"}, 400),
        ({"tags": ["t" * 256]}, 400),
        ({"tags": "t"}, 400),
        ({"status": "active"}, 403),
        ({"size": 1}, 403),
        ({"checksum": "x"}, 403),
        ({"locations": []}, 403),
        ({"os_glance_importing": "x"}, 403),
        ({"owner": "another project"}, 403),
        ({"visibility": "public"}, 403),
        ({f"p{number}": "x" for number in range(129)}, 413),
        ({"tags": [f"t{number}" for number in range(129)]}, 413),
    ],
)
def test_what_cannot_be_an_image_is_refused(
    clean: TestClient, fields: dict[str, Any], status: int
) -> None:
    answer = clean.post(IMAGES, json=fields)
    assert answer.status_code == status
    assert answer.json()["code"].startswith(str(status))
    assert clean.get(IMAGES).json()["images"] == []


def test_a_reader_cannot_make_images(service: Service) -> None:
    assert service.client(tenant("reader")).post(IMAGES, json={}).status_code == 403


def test_nobody_sees_images_without_a_token(service: Service) -> None:
    assert service.client().get(IMAGES).status_code == 401
    assert service.client().post(IMAGES, json={}).status_code == 401


def test_a_patch_is_applied_whole_or_not_at_all(owner: TestClient) -> None:
    image = create(owner, colour="red", shape="round")
    changed = patch(
        owner,
        image["id"],
        replace("name", "new"),
        replace("colour", "blue"),
        {"op": "add", "path": "/size~1cm", "value": "5"},
        {"op": "remove", "path": "/shape"},
        replace("tags", ["x"]),
        replace("min_disk", 3),
    )
    assert changed.status_code == 200
    shown = show(owner, image["id"])
    assert shown == changed.json()
    assert (shown["name"], shown["colour"], shown["size/cm"]) == ("new", "blue", "5")
    assert (shown["tags"], shown["min_disk"]) == (["x"], 3)
    assert "shape" not in shown

    half = patch(owner, image["id"], replace("name", "half"), replace("shape", "gone"))
    assert half.status_code == 409
    assert show(owner, image["id"])["name"] == "new"


def test_a_patch_of_another_media_type_is_unsupported(owner: TestClient) -> None:
    image = create(owner)
    answer = owner.patch(f"{IMAGES}/{image['id']}", json=[replace("name", "new")])
    assert answer.status_code == 415


def test_formats_stay_once_there_is_data(owner: TestClient) -> None:
    image = create(owner)
    assert patch(owner, image["id"], replace("disk_format", "qcow2")).status_code == 200
    assert patch(owner, image["id"], replace("disk_format", "raw")).status_code == 200
    assert upload(owner, image["id"]).status_code == 204
    assert patch(owner, image["id"], replace("disk_format", "qcow2")).status_code == 403


def test_only_an_operator_gives_an_image_away(owner: TestClient, operator: TestClient) -> None:
    image = create(owner)
    change = replace("owner", "f" * 32)
    assert patch(owner, image["id"], change).status_code == 403
    assert patch(operator, image["id"], change).status_code == 200
    assert owner.get(f"{IMAGES}/{image['id']}").status_code == 404


def test_a_deleted_image_and_its_data_are_gone(service: Service, owner: TestClient) -> None:
    image = active(owner)
    assert files(service) == [image["id"]]
    assert owner.delete(f"{IMAGES}/{image['id']}").status_code == 204
    assert owner.get(f"{IMAGES}/{image['id']}").status_code == 404
    assert owner.delete(f"{IMAGES}/{image['id']}").status_code == 404
    assert files(service) == []


def test_a_protected_image_stays_until_it_is_not(owner: TestClient) -> None:
    image = create(owner, protected=True)
    assert owner.delete(f"{IMAGES}/{image['id']}").status_code == 403
    assert patch(owner, image["id"], replace("protected", False)).status_code == 200
    assert owner.delete(f"{IMAGES}/{image['id']}").status_code == 204


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_empty_id_is_an_unknown_id(clean: TestClient, method: str) -> None:
    answer = clean.request(method, f"{IMAGES}/", follow_redirects=False)
    assert answer.status_code == 404


def test_tags_come_and_go_one_by_one(owner: TestClient) -> None:
    image = create(owner)
    path = f"{IMAGES}/{image['id']}/tags"
    assert owner.put(f"{path}/tiny%20one").status_code == 204
    assert owner.put(f"{path}/tiny%20one").status_code == 204
    assert show(owner, image["id"])["tags"] == ["tiny one"]
    assert owner.delete(f"{path}/tiny%20one").status_code == 204
    assert owner.delete(f"{path}/tiny%20one").status_code == 404
    assert owner.put(f"{path}/{'t' * 256}").status_code == 400
    assert owner.put(f"{IMAGES}/{new_id()}/tags/x").status_code == 404


def test_an_image_out_of_use_keeps_its_data_to_itself(
    owner: TestClient, operator: TestClient
) -> None:
    image = active(owner)
    path = f"{IMAGES}/{image['id']}"
    assert owner.post(f"{path}/actions/deactivate").status_code == 204
    assert owner.post(f"{path}/actions/deactivate").status_code == 204
    assert show(owner, image["id"])["status"] == "deactivated"
    assert owner.get(f"{path}/file").status_code == 403
    assert operator.get(f"{path}/file").status_code == 200
    assert owner.post(f"{path}/actions/reactivate").status_code == 204
    assert owner.get(f"{path}/file").status_code == 200


def test_an_image_without_data_cannot_be_taken_out_of_use(owner: TestClient) -> None:
    image = create(owner)
    answer = owner.post(f"{IMAGES}/{image['id']}/actions/deactivate")
    assert answer.status_code == 403
    assert "queued" in answer.json()["message"]


@pytest.mark.parametrize("name", ["image", "images", "member", "members"])
def test_schemas_are_served(clean: TestClient, name: str) -> None:
    schema = clean.get(f"/image/v2/schemas/{name}").json()
    assert schema["name"] == name
    assert schema["properties"]


def test_a_shown_image_is_of_its_schema(owner: TestClient) -> None:
    schema = owner.get("/image/v2/schemas/image").json()
    jsonschema.validate(create(owner, colour="red"), schema)
    jsonschema.validate(active(owner), schema)


def test_discovery_tells_what_there_is(clean: TestClient) -> None:
    assert clean.get("/image/v2/info/import").json()["import-methods"]["value"] == []
    assert [store["id"] for store in clean.get("/image/v2/info/stores").json()["stores"]] == [
        "file"
    ]


@pytest.mark.parametrize(("path", "status"), [("/image", 300), ("/image/versions", 200)])
def test_versions_are_told_without_a_token(service: Service, path: str, status: int) -> None:
    answer = service.client().get(path, follow_redirects=False)
    assert answer.status_code == status
    first = answer.json()["versions"][0]
    assert (first["status"], first["id"]) == ("CURRENT", "v2.7")
    assert first["links"][0]["href"] == f"{service.config.public_url}/image/v2/"
