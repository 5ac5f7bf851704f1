"""Paths, methods and texts at the edge, before any service is asked."""

from __future__ import annotations

import pytest

from freehold.app import route_tables
from freehold.http import ApiVersion, Call, Routes
from tests.support.service import Service, admin

VERSION = ApiVersion("freehold", "v1", "/v1", "2026-11-21T00:00:00Z")
FORMS = {
    "/identity/v3/projects": lambda body: body["error"]["code"],
    "/compute/v2.1/servers": lambda body: next(iter(body.values()))["code"],
    "/network/v2.0/networks": lambda body: body["NeutronError"]["message"],
    "/image/v2/images": lambda body: body["code"],
    "/v1/jobs": lambda body: body["error"]["code"],
}
"""A collection of each API → where its faults say what is wrong."""


def _serve(service: Service, method: str, path: str, name: str) -> None:
    def told(call: Call, **parameters: str) -> dict[str, object]:
        return {"served": name, **parameters}

    table = Routes(VERSION)
    table.add(method, path, told, policy=None)
    service.app.serve(table.endpoints[0])


@pytest.mark.parametrize("path", FORMS)
def test_a_slash_too_many_is_another_path_and_no_redirect(service: Service, path: str) -> None:
    answer = service.client(admin()).get(f"{path}/", follow_redirects=False)
    assert answer.status_code == 404
    assert FORMS[path](answer.json())


@pytest.mark.parametrize("text", ["%00", "a%00b", "%ff", "%c3%28", "%ed%a0%80"])
@pytest.mark.parametrize("path", FORMS)
def test_text_that_no_database_holds_is_refused_in_a_path(
    service: Service, path: str, text: str
) -> None:
    answer = service.client(admin()).get(f"{path}/{text}")
    assert answer.status_code == 400
    assert FORMS[path](answer.json())


@pytest.mark.parametrize("query", ["name=%00", "na%00me=x", "name=%ff", "%ff=x", "limit=1&x=%c0"])
@pytest.mark.parametrize("path", FORMS)
def test_text_that_no_database_holds_is_refused_in_a_query(
    service: Service, path: str, query: str
) -> None:
    answer = service.client(admin()).get(f"{path}?{query}")
    assert answer.status_code == 400
    assert FORMS[path](answer.json())


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\udfff\\ud800"])
def test_text_that_no_database_holds_is_refused_in_a_body(service: Service, text: str) -> None:
    for content in (f'{{"network": {{"name": "{text}"}}}}', f'{{"{text}": 1}}'):
        answer = service.client(admin()).post(
            "/network/v2.0/networks",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 400
        assert "NeutronError" in answer.json()


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("method", ["OPTIONS", "PATCH", "TRACE", "PROPFIND"])
def test_a_method_that_a_path_does_not_have_is_refused_with_those_it_has(
    service: Service, path: str, method: str
) -> None:
    answer = service.client(admin()).request(method, path)
    assert answer.status_code == 405
    assert FORMS[path](answer.json())
    allowed = answer.headers["allow"].split(", ")
    assert {"GET", "HEAD"} <= set(allowed)
    assert method not in allowed


@pytest.mark.parametrize("path", FORMS)
def test_head_answers_as_get_does_without_the_body(service: Service, path: str) -> None:
    client = service.client(admin())
    got, headed = client.get(path), client.head(path)
    assert headed.status_code == got.status_code == 200
    assert headed.headers["content-type"] == got.headers["content-type"]


def test_a_word_in_a_path_is_preferred_to_a_parameter_unless_its_method_differs(
    service: Service,
) -> None:
    _serve(service, "GET", "/things/detail", "detail")
    _serve(service, "GET", "/things/{thing_id}", "one")
    _serve(service, "DELETE", "/things/{thing_id}", "gone")
    client = service.client()
    assert client.get("/v1/things/detail").json() == {"served": "detail"}
    assert client.get("/v1/things/x").json() == {"served": "one", "thing_id": "x"}
    assert client.delete("/v1/things/detail").json() == {"served": "gone", "thing_id": "detail"}


def test_an_encoded_slash_is_part_of_an_id_and_never_of_the_path(service: Service) -> None:
    _serve(service, "GET", "/things/{thing_id}", "one")
    _serve(service, "GET", "/keys/{name:path}", "key")
    client = service.client()
    assert client.get("/v1/things/a%2Fb").json() == {"served": "one", "thing_id": "a/b"}
    assert client.get("/v1/things/a/b").status_code == 404
    assert client.get("/v1/keys/a/b").json() == {"served": "key", "name": "a/b"}


def test_an_empty_segment_is_no_id(service: Service) -> None:
    _serve(service, "GET", "/things/{thing_id}/parts", "parts")
    assert service.client().get("/v1/things//parts").status_code == 404


def test_the_same_method_and_path_cannot_be_served_twice(service: Service) -> None:
    _serve(service, "GET", "/things/{thing_id}", "one")
    with pytest.raises(ValueError, match="twice"):
        _serve(service, "GET", "/things/{name}", "other")


@pytest.mark.parametrize("token", ["stale", "a.b.c", "x" * 5000])
def test_a_token_that_is_not_good_is_no_token_where_none_is_needed(
    service: Service, token: str
) -> None:
    client = service.client()
    client.headers["X-Auth-Token"] = token
    assert client.get("/v1/health").status_code == 200
    assert client.get("/identity/v3").status_code == 200
    assert client.get("/v1/jobs").status_code == 401
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": {}}}}}
    assert client.post("/identity/v3/auth/tokens", json=login).status_code == 400


def test_the_openapi_document_names_every_operation(service: Service) -> None:
    document = service.client().get("/openapi.json").json()
    told = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    served = {
        (endpoint.method, endpoint.path.replace(":path}", "}"))
        for table in route_tables()
        for endpoint in table.endpoints
        if hasattr(endpoint, "function")
    }
    assert told == served
    names = [one["operationId"] for each in document["paths"].values() for one in each.values()]
    assert len(names) == len(set(names))
    body = document["paths"]["/network/v2.0/ports"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"]["$ref"].endswith("NewPorts")
