"""The edge: request ids, body limit, and errors that nobody foresaw."""

from __future__ import annotations

import pytest

from freehold.http import ApiVersion, Call, Routes
from tests.support.service import Service, admin


def test_every_answer_names_its_request(service: Service) -> None:
    first, second = (service.client().get("/v1/health") for _ in range(2))
    ids = {answer.headers["x-openstack-request-id"] for answer in (first, second)}
    assert len(ids) == 2
    assert all(name.startswith("req-") for name in ids)


def test_a_body_over_the_limit_is_refused(service: Service) -> None:
    answer = service.client(admin()).put("/v1/hosts/hv1", content=b"x" * 1_100_000)
    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff\xfe"])
def test_a_body_that_is_not_the_expected_json_is_refused(service: Service, body: bytes) -> None:
    answer = service.client(admin()).put(
        "/v1/hosts/hv1", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400


def test_an_unknown_path_is_a_fault_of_its_api(service: Service) -> None:
    assert "itemNotFound" in service.client().get("/compute/v2.1/nonsense").json()


def test_an_unforeseen_error_keeps_its_text_to_the_log(service: Service) -> None:
    def broken(call: Call) -> None:
        raise RuntimeError("the secret is swordfish")

    table = Routes(ApiVersion("freehold", "v1", "/v1", "2026-11-21T00:00:00Z"))
    table.add("GET", "/broken", broken, policy=None)
    service.app.include_router(table.router)
    answer = service.client().get("/v1/broken")
    assert answer.status_code == 500
    assert "swordfish" not in answer.text
    assert answer.headers["x-openstack-request-id"] in answer.text


def test_deleting_nothing_in_particular_finds_nothing(service: Service) -> None:
    client = service.client(admin())
    for collection in ("flavors", "os-security-groups"):
        assert client.delete(f"/compute/v2.1/{collection}/").status_code == 404
    assert client.delete("/compute/v2.1/flavors").status_code == 405
