"""Image data: streamed in, hashed, inspected, streamed out; whole or not there."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from freehold.access import Caller
from freehold.image import Image
from freehold.store import utc_now
from tests.api.image.glance import (
    DATA,
    IMAGES,
    active,
    create,
    files,
    half_an_upload,
    show,
    upload,
)
from tests.support.service import Service, build, free_port, serve, tenant
from tests.unit.image.qcow2 import GIB, header, whole


def _wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_uploaded_data_comes_back_with_its_digests(owner: TestClient) -> None:
    image = active(owner)
    assert image["status"] == "active"
    assert image["size"] == image["virtual_size"] == len(DATA)
    assert image["checksum"] == hashlib.md5(DATA).hexdigest()
    assert image["os_hash_algo"] == "sha512"
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    answer = owner.get(f"{IMAGES}/{image['id']}/file")
    assert answer.content == DATA
    assert answer.headers["Content-MD5"] == image["checksum"]
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Length"] == str(len(DATA))


def test_data_in_pieces_of_unknown_length_is_the_same_data(owner: TestClient) -> None:
    image = create(owner)
    pieces = [bytes([number]) * 100_000 for number in range(30)]
    assert upload(owner, image["id"], iter(pieces)).status_code == 204
    assert show(owner, image["id"])["checksum"] == hashlib.md5(b"".join(pieces)).hexdigest()


def test_a_part_of_the_data_can_be_asked_for(owner: TestClient) -> None:
    image = active(owner)
    answer = owner.get(f"{IMAGES}/{image['id']}/file", headers={"Range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, DATA[10:20])
    assert "Content-MD5" not in answer.headers


def test_the_virtual_size_of_a_qcow2_is_read_from_its_header(owner: TestClient) -> None:
    image = active(owner, whole(virtual_size=5 * GIB), disk_format="qcow2")
    assert (image["size"], image["virtual_size"]) == (200_000, 5 * GIB)


@pytest.mark.parametrize(
    ("disk_format", "data"),
    [
        ("qcow2", header(backing_at=104)),
        ("qcow2", header(incompatible=4)),
        ("qcow2", DATA),
        ("qcow2", b""),
        ("raw", header()),
    ],
)
def test_hostile_or_mislabelled_data_is_not_kept(
    service: Service, owner: TestClient, disk_format: str, data: bytes
) -> None:
    image = create(owner, disk_format=disk_format)
    assert upload(owner, image["id"], data).status_code == 415
    assert show(owner, image["id"]) == image
    assert files(service) == []
    good = whole() if disk_format == "qcow2" else DATA
    assert upload(owner, image["id"], good).status_code == 204


def test_data_is_uploaded_once(owner: TestClient) -> None:
    image = active(owner)
    again = upload(owner, image["id"], b"other")
    assert again.status_code == 409
    assert owner.get(f"{IMAGES}/{image['id']}/file").content == DATA


def test_data_needs_its_formats_and_its_media_type(owner: TestClient) -> None:
    bare = create(owner, disk_format=None)
    assert upload(owner, bare["id"]).status_code == 400
    image = create(owner)
    answer = owner.put(
        f"{IMAGES}/{image['id']}/file", content=DATA, headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 415


def test_an_image_without_data_has_nothing_to_download(owner: TestClient) -> None:
    answer = owner.get(f"{IMAGES}/{create(owner)['id']}/file")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("data", [DATA, iter([DATA])], ids=["told", "untold"])
def test_data_over_the_limit_is_too_large(tmp_path: Path, data: object) -> None:
    service = build(tmp_path, image_max_gib=0)
    owner = service.client(tenant())
    image = create(owner)
    assert upload(owner, image["id"], data).status_code == 413
    assert show(owner, image["id"])["status"] == "queued"
    assert files(service) == []


def test_others_may_neither_send_nor_see_that_there_is_data(
    owner: TestClient, stranger: TestClient
) -> None:
    image = create(owner)
    assert upload(stranger, image["id"]).status_code == 404
    assert stranger.get(f"{IMAGES}/{image['id']}/file").status_code == 404


def test_an_upload_whose_process_was_killed_leaves_the_image_queued(
    service: Service, owner: TestClient
) -> None:
    image = create(owner)
    with service.store.write() as session:
        row = session.get_one(Image, image["id"])
        row.status, row.upload_id = "saving", "dead"
        row.upload_until = utc_now() + timedelta(seconds=60)
    assert show(owner, image["id"])["status"] == "saving"
    assert upload(owner, image["id"]).status_code == 409
    assert len(owner.get(f"{IMAGES}?status=saving").json()["images"]) == 1
    with service.store.write() as session:
        session.get_one(Image, image["id"]).upload_until = utc_now() - timedelta(seconds=1)
    assert show(owner, image["id"])["status"] == "queued"
    assert len(owner.get(f"{IMAGES}?status=queued").json()["images"]) == 1
    assert owner.get(f"{IMAGES}?status=saving").json()["images"] == []
    assert upload(owner, image["id"]).status_code == 204
    assert files(service) == [image["id"]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A service on loopback: an upload that breaks needs a real connection."""
    service = build(tmp_path_factory.mktemp("served"))
    with serve(service, free_port()) as url:
        yield service, url
    service.store.close()


def _saving(client: TestClient, image_id: str) -> Callable[[], bool]:
    return lambda: show(client, image_id)["status"] == "saving"


def _queued(client: TestClient, image_id: str) -> Callable[[], bool]:
    return lambda: show(client, image_id)["status"] == "queued"


def test_an_upload_that_breaks_off_leaves_nothing(
    served: tuple[Service, str], owner_caller: Caller
) -> None:
    service, url = served
    client = service.client(owner_caller)
    image = create(client)
    with half_an_upload(service, url, owner_caller, image["id"]):
        _wait_for(_saving(client, image["id"]))
        _wait_for(lambda: len(files(service)) == 1)
        assert upload(client, image["id"]).status_code == 409
    _wait_for(_queued(client, image["id"]))
    _wait_for(lambda: files(service) == [])
    assert upload(client, image["id"]).status_code == 204
    client.delete(f"{IMAGES}/{image['id']}")


def test_an_image_deleted_during_its_upload_stays_deleted(
    served: tuple[Service, str], owner_caller: Caller
) -> None:
    service, url = served
    client = service.client(owner_caller)
    image = create(client)
    with half_an_upload(service, url, owner_caller, image["id"]) as connection:
        _wait_for(_saving(client, image["id"]))
        assert client.delete(f"{IMAGES}/{image['id']}").status_code == 204
        connection.sendall(bytes((1 << 20) - 1024))
        assert connection.recv(4096).startswith(b"HTTP/1.1 404")
    assert files(service) == []


def test_an_upload_that_was_replaced_cannot_finish(
    served: tuple[Service, str], owner_caller: Caller
) -> None:
    service, url = served
    client = service.client(owner_caller)
    image = create(client)
    with half_an_upload(service, url, owner_caller, image["id"]) as connection:
        _wait_for(_saving(client, image["id"]))
        with service.store.write() as session:
            session.get_one(Image, image["id"]).upload_until = utc_now() - timedelta(seconds=1)
        assert upload(client, image["id"]).status_code == 204
        connection.sendall(bytes((1 << 20) - 1024))
        assert connection.recv(4096).startswith(b"HTTP/1.1 409")
    assert show(client, image["id"])["checksum"] == hashlib.md5(DATA).hexdigest()
    assert files(service) == [image["id"]]
    assert client.get(f"{IMAGES}/{image['id']}/file").content == DATA
    client.delete(f"{IMAGES}/{image['id']}")
