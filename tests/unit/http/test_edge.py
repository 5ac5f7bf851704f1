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
    (endpoint,) = table.endpoints
    service.app.serve(endpoint)
    answer = service.client().get("/v1/broken")
    assert answer.status_code == 500
    assert "swordfish" not in answer.text
    assert answer.headers["x-openstack-request-id"] in answer.text


def test_deleting_nothing_in_particular_finds_nothing(service: Service) -> None:
    client = service.client(admin())
    for collection in ("flavors", "os-security-groups"):
        assert client.delete(f"/compute/v2.1/{collection}/").status_code == 404
    assert client.delete("/compute/v2.1/flavors").status_code == 405


def test_a_body_that_announces_too_much_is_refused_before_it_comes(service: Service) -> None:
    answer = service.client(admin()).put(
        "/v1/hosts/hv1", content=b"{}", headers={"Content-Length": str(10**20)}
    )
    assert answer.status_code == 413


def test_a_body_of_too_many_chunks_is_refused(service: Service) -> None:
    answer = service.client(admin()).put("/v1/hosts/hv1", content=iter([b" " * 300_000] * 5))
    assert answer.status_code == 413


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999999x", "[" * 100_000])
def test_what_only_looks_like_json_is_refused(service: Service, number: str) -> None:
    answer = service.client(admin()).put(
        "/v1/hosts/hv1", content=number, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400


def test_who_may_not_call_is_told_so_before_the_body_is_read(service: Service) -> None:
    answer = service.client().put("/v1/hosts/hv1", content=b"{")
    assert answer.status_code == 401
