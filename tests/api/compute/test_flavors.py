"""Flavors, their extra specs, and who may use those that are not public."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from freehold.access import Caller
from tests.support.service import Service, admin, build, enrol, tenant

FLAVORS = "/compute/v2.1/flavors"
SMALL = {"name": "small", "ram": 64, "vcpus": 1, "disk": 1}


def _at(version: str) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute {version}"}


@pytest.fixture
def operator(service: Service) -> TestClient:
    """Who offers flavors."""
    return service.client(admin())


@pytest.fixture
def caller() -> Caller:
    """Who uses them."""
    return tenant()


@pytest.fixture
def client(service: Service, caller: Caller) -> TestClient:
    """The same over HTTP."""
    return service.client(caller)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """An operator of a service in which nothing stays."""
    return build(tmp_path_factory.mktemp("clean")).client(admin())


def _create(client: TestClient, version: str = "2.1", **fields: Any) -> dict[str, Any]:
    answer = client.post(FLAVORS, json={"flavor": SMALL | fields}, headers=_at(version))
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["flavor"]
    return made


def _ids(client: TestClient, query: str = "") -> list[str]:
    answer = client.get(f"{FLAVORS}{query}", headers=_at("2.96"))
    assert answer.status_code == 200, answer.text
    return [flavor["id"] for flavor in answer.json()["flavors"]]


def test_a_flavor_is_shown_in_the_form_of_each_microversion(
    operator: TestClient, client: TestClient
) -> None:
    made = _create(operator, "2.55", id="s1", description="for tests")
    assert (made["description"], made["swap"]) == ("for tests", "")
    path = f"{FLAVORS}/s1"
    first = client.get(path).json()["flavor"]
    assert {link["rel"] for link in first.pop("links")} == {"self", "bookmark"}
    assert first == {
        "id": "s1",
        "name": "small",
        "ram": 64,
        "vcpus": 1,
        "disk": 1,
        "swap": "",
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": True,
        "rxtx_factor": 1.0,
    }
    shown = {
        version: client.get(path, headers=_at(version)).json()["flavor"]
        for version in ("2.55", "2.60", "2.61", "2.75")
    }
    assert shown["2.55"]["description"] == "for tests"
    assert "extra_specs" not in shown["2.60"]
    assert shown["2.61"]["extra_specs"] == {}
    assert (shown["2.61"]["swap"], shown["2.75"]["swap"]) == ("", 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"ram": 0},
        {"ram": "much"},
        {"ram": 2**31},
        {"vcpus": 0},
        {"disk": -1},
        {"swap": -1},
        {"OS-FLV-EXT-DATA:ephemeral": -1},
        {"rxtx_factor": 0},
        {"name": ""},
        {"name": "   "},
        {"name": "n" * 256},
        {"name": "a\0b"},
        {"id": ""},
        {"id": " s1"},
        {"id": "s/1"},
        {"id": "ß"},
        {"id": "i" * 256},
        {"os-flavor-access:is_public": "maybe"},
        {"colour": "red"},
        {"description": "came with 2.55"},
    ],
)
def test_what_is_no_size_is_refused(clean: TestClient, fields: dict[str, Any]) -> None:
    answer = clean.post(FLAVORS, json={"flavor": SMALL | fields})
    assert answer.status_code == 400
    assert "badRequest" in answer.json()
    assert _ids(clean) == []


def test_name_and_id_are_taken_once(operator: TestClient) -> None:
    _create(operator, id="s1")
    for same in ({"id": "s1", "name": "other"}, {"id": "s2"}):
        assert operator.post(FLAVORS, json={"flavor": SMALL | same}).status_code == 409
    assert _create(operator, id=7, name="seven")["id"] == "7"


def test_tenants_see_and_do_not_change(operator: TestClient, client: TestClient) -> None:
    _create(operator, id="s1")
    assert client.post(FLAVORS, json={"flavor": SMALL}).status_code == 403
    assert client.delete(f"{FLAVORS}/s1").status_code == 403
    update = {"flavor": {"description": "x"}}
    assert client.put(f"{FLAVORS}/s1", json=update, headers=_at("2.55")).status_code == 403
    specs = {"extra_specs": {"a": "b"}}
    assert client.post(f"{FLAVORS}/s1/os-extra_specs", json=specs).status_code == 403
    assert client.get(f"{FLAVORS}/s1/os-flavor-access").status_code == 403
    action = {"addTenantAccess": {"tenant": "p"}}
    assert client.post(f"{FLAVORS}/s1/action", json=action).status_code == 403


def test_only_the_description_changes_and_only_from_2_55(operator: TestClient) -> None:
    _create(operator, id="s1")
    body = {"flavor": {"description": "new"}}
    assert operator.put(f"{FLAVORS}/s1", json=body).status_code == 404
    answer = operator.put(f"{FLAVORS}/s1", json=body, headers=_at("2.55"))
    assert answer.json()["flavor"]["description"] == "new"
    bad = {"flavor": {"ram": 128, "description": "x"}}
    assert operator.put(f"{FLAVORS}/s1", json=bad, headers=_at("2.55")).status_code == 400


def test_a_deleted_flavor_is_gone_and_its_id_free(operator: TestClient, client: TestClient) -> None:
    _create(operator, id="s1")
    assert operator.delete(f"{FLAVORS}/s1").status_code == 202
    assert operator.delete(f"{FLAVORS}/s1").status_code == 404
    assert client.get(f"{FLAVORS}/s1").json()["itemNotFound"]["code"] == 404
    _create(operator, id="s1")


def test_an_empty_id_is_an_unknown_id(client: TestClient) -> None:
    assert client.get(f"{FLAVORS}/", follow_redirects=False).status_code == 404


def test_lists_are_filtered_sorted_and_paged(operator: TestClient, client: TestClient) -> None:
    for name, ram, disk in (("a", 64, 5), ("b", 128, 1), ("c", 256, 3)):
        _create(operator, id=name, name=name, ram=ram, disk=disk)
    assert _ids(client) == ["a", "b", "c"]
    assert _ids(client, "?minRam=128") == ["b", "c"]
    assert _ids(client, "?minDisk=3") == ["a", "c"]
    assert _ids(client, "?sort_key=root_gb&sort_dir=desc") == ["a", "c", "b"]
    assert _ids(client, "?limit=1&marker=a") == ["b"]
    detail = client.get(f"{FLAVORS}/detail?limit=1&minRam=100").json()
    (link,) = detail["flavors_links"]
    assert link["href"].endswith("/compute/v2.1/flavors/detail?limit=1&minRam=100&marker=b")
    for query in ("?minRam=x", "?limit=-1", "?limit=x", "?marker=zzz", "?sort_key=colour"):
        assert client.get(f"{FLAVORS}{query}").status_code == 400


def test_a_private_flavor_is_there_for_those_it_was_given_to(
    service: Service, operator: TestClient, client: TestClient, caller: Caller
) -> None:
    enrol(service, caller)
    _create(operator, id="p1", **{"os-flavor-access:is_public": False})
    access, action = f"{FLAVORS}/p1/os-flavor-access", f"{FLAVORS}/p1/action"
    assert operator.get(access).json() == {"flavor_access": []}
    unknown = client.get(f"{FLAVORS}/p2").text.replace("p2", "p1")
    assert client.get(f"{FLAVORS}/p1").text == unknown
    assert _ids(client) == _ids(client, "?is_public=false") == []

    tenant_id = {"tenant": caller.project_id}
    given = operator.post(action, json={"addTenantAccess": tenant_id})
    entry = {"flavor_id": "p1", "tenant_id": caller.project_id}
    assert given.json() == {"flavor_access": [entry]}
    assert operator.post(action, json={"addTenantAccess": tenant_id}).status_code == 409
    assert _ids(client) == ["p1"]
    assert client.get(f"{FLAVORS}/p1").status_code == 200

    taken = operator.post(action, json={"removeTenantAccess": tenant_id})
    assert taken.json() == {"flavor_access": []}
    assert operator.post(action, json={"removeTenantAccess": tenant_id}).status_code == 404
    assert client.get(f"{FLAVORS}/p1").status_code == 404


def test_a_flavor_is_given_only_to_a_project_that_there_is(operator: TestClient) -> None:
    _create(operator, id="p1", **{"os-flavor-access:is_public": False})
    answer = operator.post(f"{FLAVORS}/p1/action", json={"addTenantAccess": {"tenant": "nobody"}})
    assert answer.status_code == 400
    message = "Project ID nobody is not a valid project."
    assert answer.json()["badRequest"]["message"] == message
    assert operator.get(f"{FLAVORS}/p1/os-flavor-access").json() == {"flavor_access": []}


def test_operators_choose_which_flavors_to_list(operator: TestClient) -> None:
    _create(operator, id="a")
    _create(operator, id="p", name="private", **{"os-flavor-access:is_public": False})
    assert _ids(operator) == _ids(operator, "?is_public=true") == ["a"]
    assert _ids(operator, "?is_public=false") == ["p"]
    assert _ids(operator, "?is_public=none") == ["a", "p"]
    assert operator.get(f"{FLAVORS}?is_public=x").status_code == 400


def test_a_public_flavor_has_no_access_list(operator: TestClient) -> None:
    _create(operator, id="a")
    assert operator.get(f"{FLAVORS}/a/os-flavor-access").status_code == 404
    action = {"addTenantAccess": {"tenant": "p"}}
    answer = operator.post(f"{FLAVORS}/a/action", json=action, headers=_at("2.7"))
    assert answer.status_code == 409
    for body in ({}, {"addTenantAccess": {}}, action | {"removeTenantAccess": {"tenant": "p"}}):
        assert operator.post(f"{FLAVORS}/a/action", json=body).status_code == 400


def test_extra_specs_are_texts_set_one_by_one_or_together(
    operator: TestClient, client: TestClient
) -> None:
    _create(operator, id="a")
    path = f"{FLAVORS}/a/os-extra_specs"
    said = {"hw:cpu_policy": "shared", "quota:cpu": 7}
    assert operator.post(path, json={"extra_specs": said}).json() == {"extra_specs": said}
    assert client.get(path).json() == {"extra_specs": {"hw:cpu_policy": "shared", "quota:cpu": "7"}}
    assert operator.put(f"{path}/quota:cpu", json={"quota:cpu": "8"}).status_code == 200
    assert client.get(f"{path}/quota:cpu").json() == {"quota:cpu": "8"}
    assert operator.delete(f"{path}/quota:cpu").status_code == 200
    assert client.get(f"{path}/quota:cpu").status_code == 404
    assert operator.delete(f"{path}/quota:cpu").status_code == 404
    shown = client.get(f"{FLAVORS}/a", headers=_at("2.61")).json()["flavor"]
    assert shown["extra_specs"] == {"hw:cpu_policy": "shared"}


@pytest.mark.parametrize(
    "specs",
    [
        {"a/b": "x"},
        {"": "x"},
        {"k" * 256: "x"},
        {"k": "x" * 256},
        {"k": "\0"},
        {"k": True},
        {"k": []},
    ],
)
def test_a_malformed_extra_spec_is_refused(clean: TestClient, specs: dict[str, Any]) -> None:
    _create(clean, id="a")
    answer = clean.post(f"{FLAVORS}/a/os-extra_specs", json={"extra_specs": specs})
    assert answer.status_code == 400
    assert clean.get(f"{FLAVORS}/a/os-extra_specs").json() == {"extra_specs": {}}
    mismatch = clean.put(f"{FLAVORS}/a/os-extra_specs/k", json={"other": "x"})
    assert mismatch.status_code == 400
    clean.delete(f"{FLAVORS}/a")
