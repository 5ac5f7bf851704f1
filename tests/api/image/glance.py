"""The Image API over raw HTTP, as tests speak it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from httpx2 import Response
from starlette.testclient import TestClient

from freehold.access import Caller
from tests.support.service import Service

IMAGES = "/image/v2/images"
OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
DATA = b"\xeb\x63\x90 boot sector " * 1000


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    """Register an image (raw unless said otherwise)."""
    wish = {"name": "tiny", "disk_format": "raw", "container_format": "bare"} | fields
    answer = client.post(IMAGES, json=wish)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def upload(client: TestClient, image_id: str, data: Any = DATA) -> Response:
    """Send data; the answer may be a refusal."""
    return client.put(f"{IMAGES}/{image_id}/file", content=data, headers=OCTETS)  # type: ignore[no-any-return]


def active(client: TestClient, data: bytes = DATA, **fields: Any) -> dict[str, Any]:
    """An image with data."""
    image = create(client, **fields)
    answer = upload(client, image["id"], data)
    assert answer.status_code == 204, answer.text
    return show(client, image["id"])


def show(client: TestClient, image_id: str) -> dict[str, Any]:
    """The image as its owner sees it."""
    answer = client.get(f"{IMAGES}/{image_id}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def patch(client: TestClient, image_id: str, *changes: dict[str, Any]) -> Response:
    """Send a JSON patch; the answer may be a refusal."""
    content = json.dumps(changes)
    return client.patch(f"{IMAGES}/{image_id}", content=content, headers=PATCH)  # type: ignore[no-any-return]


def replace(name: str, value: Any) -> dict[str, Any]:
    """One change."""
    return {"op": "replace", "path": f"/{name}", "value": value}


def names(client: TestClient, query: str = "") -> list[str]:
    """Names in a list, in its order."""
    answer = client.get(f"{IMAGES}{query}")
    assert answer.status_code == 200, answer.text
    return [image["name"] for image in answer.json()["images"]]


def files(service: Service) -> list[str]:
    """What lies in the image store."""
    folder = service.config.images_dir
    return sorted(entry.name for entry in folder.glob("[!.]*")) if folder.is_dir() else []


@contextmanager
def half_an_upload(
    service: Service, url: str, caller: Caller, image_id: str
) -> Iterator[socket.socket]:
    """A connection on which the first KiB of a mebibyte was sent; the rest is the test's choice."""
    token = service.client(caller).headers["X-Auth-Token"]
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = (
            f"PUT {IMAGES}/{image_id}/file HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"X-Auth-Token: {token}\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {1 << 20}\r\n\r\n"
        )
        connection.sendall(head.encode() + bytes(1024))
        yield connection
