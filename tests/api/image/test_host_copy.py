"""Hosts fetch images by links that the host document gives them, and by nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
from starlette.testclient import TestClient

from freehold.image import document_entries
from freehold.store import new_id, utc_now
from tests.api.image.glance import DATA, IMAGES, active, create
from tests.support.service import Service

SCHEMA = Path(__file__).resolve().parents[3] / "docs/reference/documents/host.schema.json"


def _entries(service: Service, *image_ids: str, ago: timedelta = timedelta()) -> list[Any]:
    with service.store.read() as session:
        return document_entries(
            session,
            image_ids,
            tokens=service.app.state.access.tokens,
            config=service.config,
            now=utc_now() - ago,
        )


def _fetch(service: Service, url: str, token: str | None) -> Any:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return service.client().get(urlsplit(url).path, headers=headers)


def test_a_document_tells_a_host_how_to_fetch_and_check(
    service: Service, owner: TestClient
) -> None:
    image = active(owner, visibility="private")
    (entry,) = _entries(service, image["id"])
    document = {
        "format": 1,
        "target": {"kind": "host", "name": "hv1"},
        "scope": "changes",
        "images": [entry],
        "snapshots": [],
        "servers": [],
    }
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert entry["checksum"] == {"algorithm": "sha512", "value": image["os_hash_value"]}
    assert entry["size_bytes"] == len(DATA)
    assert entry["url"].startswith(service.config.public_url)
    answer = _fetch(service, entry["url"], entry["token"])
    assert (answer.status_code, answer.content) == (200, DATA)


def test_a_link_opens_its_own_image_only(service: Service, owner: TestClient) -> None:
    first, second = _entries(service, active(owner)["id"], active(owner)["id"])
    assert _fetch(service, first["url"], second["token"]).status_code == 401
    assert _fetch(service, first["url"], first["token"]).status_code == 200


@pytest.mark.parametrize("token", [None, "", "rubbish", "9999999999.00", "²." + "0" * 64])
def test_data_is_not_given_without_a_link(
    service: Service, owner: TestClient, token: str | None
) -> None:
    (entry,) = _entries(service, active(owner)["id"])
    if token is not None and not token.isascii():
        headers = {"Authorization": f"Bearer {token}".encode("latin-1")}
        answer = service.client().get(urlsplit(entry["url"]).path, headers=headers)
    else:
        answer = _fetch(service, entry["url"], token)
    assert answer.status_code == 401


def test_a_users_token_is_no_link(service: Service, owner: TestClient) -> None:
    image = active(owner)
    token = owner.headers["X-Auth-Token"]
    assert _fetch(service, f"/v1/images/{image['id']}/data", token).status_code == 401
    assert owner.get(f"/v1/images/{image['id']}/data").status_code == 401


def test_a_link_is_over_after_a_while(service: Service, owner: TestClient) -> None:
    (entry,) = _entries(service, active(owner)["id"], ago=timedelta(hours=2))
    assert _fetch(service, entry["url"], entry["token"]).status_code == 401


def test_what_has_no_data_is_not_in_a_document(service: Service, owner: TestClient) -> None:
    gone = active(owner)["id"]
    (entry,) = _entries(service, gone)
    assert owner.delete(f"{IMAGES}/{gone}").status_code == 204
    assert _entries(service, gone, create(owner)["id"], new_id()) == []
    assert _fetch(service, entry["url"], entry["token"]).status_code == 404


def test_a_deactivated_image_still_reaches_the_hosts_of_its_servers(
    service: Service, owner: TestClient
) -> None:
    image = active(owner)
    owner.post(f"{IMAGES}/{image['id']}/actions/deactivate")
    (entry,) = _entries(service, image["id"])
    assert _fetch(service, entry["url"], entry["token"]).status_code == 200
