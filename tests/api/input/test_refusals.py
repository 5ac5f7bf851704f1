"""What is wrong with a request as such: its token, its body, its ids, its question.

Each service answers with its own status and in its own form; nothing is ever a 5xx.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import Response

from freehold.store import utc_now
from tests.api.isolation.stage import Stage
from tests.support.service import tenant

JSON = {"Content-Type": "application/json"}
CREATES: dict[str, tuple[str, dict[str, Any]]] = {
    "/identity/v3/projects": ("admin", {"project": {"name": "n"}}),
    "/image/v2/images": ("member", {"name": "n"}),
    "/network/v2.0/networks": ("member", {"network": {"name": "n"}}),
    "/compute/v2.1/flavors": ("admin", {"flavor": {"name": "n", "vcpus": 1, "ram": 1, "disk": 1}}),
    "/compute/v2.1/os-keypairs": ("member", {"keypair": {"name": "n", "type": "ssh"}}),
}
READS = (
    "/identity/v3/projects",
    "/image/v2/images",
    "/network/v2.0/networks",
    "/compute/v2.1/servers",
    "/v1/jobs",
)


def message(answer: Response) -> str:
    """What a fault says, read in the form of the API that gave it."""
    path, body = answer.request.url.path, answer.json()
    match path.split("/")[1]:
        case "identity" | "v1":
            said = body["error"]["message"]
        case "network":
            assert set(body["NeutronError"]) == {"type", "message", "detail"}
            said = body["NeutronError"]["message"]
        case "image":
            assert body["code"].startswith(str(answer.status_code))
            said = body["message"]
        case _:
            (fault,) = body.values()
            assert fault["code"] == answer.status_code
            said = fault["message"]
    assert said
    return str(said)


def _deep(levels: int) -> str:
    return "[" * levels + "]" * levels


BODIES = [
    ("", 400),
    ("name=n", 400),
    ("{", 400),
    ("[]", 400),
    ("null", 400),
    ('"text"', 400),
    ("7", 400),
    ('{"a": NaN}', 400),
    ('{"a": Infinity}', 400),
    ('{"a": "\\u0000"}', 400),
    ('{"a": "\\ud800"}', 400),
    (_deep(900), 400),
    (_deep(100_000), 400),
    ('{"a": ' + "9" * 5000 + "}", 400),
    ('{"a": 1}'.encode("utf-16"), 400),
    ('{"a": "\\u0000"}'.encode("utf-16"), 400),
    (b"\xff\xfe{\x00}\x00", 400),
    (b'{"name": "\xe9"}', 400),
    (json.dumps({"a": "x" * 2_000_000}), 413),
]


@pytest.mark.parametrize("path", CREATES)
@pytest.mark.parametrize(("body", "status"), BODIES, ids=lambda value: repr(value)[:24])
def test_a_body_that_says_nothing_is_refused(
    stage: Stage, path: str, body: str | bytes, status: int
) -> None:
    answer = stage.ask(CREATES[path][0], "POST", path, content=body, headers=JSON)
    assert answer.status_code == status, answer.text
    assert len(message(answer)) < 500


@pytest.mark.parametrize("path", CREATES)
@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/xml", "multipart/form-data", "x"]
)
def test_a_body_of_another_kind_is_refused(stage: Stage, path: str, media_type: str) -> None:
    persona, body = CREATES[path]
    headers = {"Content-Type": media_type}
    answer = stage.ask(persona, "POST", path, content=json.dumps(body), headers=headers)
    assert answer.status_code in (400, 415)
    message(answer)


def test_of_two_values_for_one_name_the_last_counts(stage: Stage) -> None:
    body = '{"network": {"name": "first", "name": "last"}}'
    answer = stage.ask("member", "POST", "/network/v2.0/networks", content=body, headers=JSON)
    assert answer.json()["network"]["name"] == "last"
    stage.restore()


def _tokens(stage: Stage) -> dict[str, str | None]:
    """Tokens that are none."""
    tokens = stage.service.app.state.access.tokens
    before = utc_now() - timedelta(days=2)
    expired, _ = tokens.issue(tenant(), before, before + timedelta(hours=1))
    good, whole = tokens.issue(replace(tenant(), roles=("admin",)), utc_now())
    head, payload, signature = good.split(".")
    assert whole.expires_at is not None
    return {
        "none": None,
        "empty": "",
        "nonsense": "nonsense",
        "expired": expired,
        "of another key": f"{head}.{payload}.{signature[::-1]}",
        "unsigned": f"eyJhbGciOiJub25lIn0.{payload}.",
        "changed": f"{head}.{payload[:-2]}AA.{signature}",
        "huge": "a" * 60_000,
    }


@pytest.mark.parametrize("path", READS)
def test_a_token_that_is_not_good_is_told_so_and_no_more(stage: Stage, path: str) -> None:
    told = set()
    for name, token in _tokens(stage).items():
        headers = {} if token is None else {"X-Auth-Token": token}
        answer = stage.ask("anonymous", "GET", path, headers=headers)
        assert answer.status_code == 401, name
        assert answer.headers["WWW-Authenticate"].startswith("Keystone")
        told.add(message(answer))
    assert len(told) == 1


@pytest.mark.parametrize("path", READS)
def test_a_revoked_token_is_refused_everywhere(stage: Stage, path: str) -> None:
    subject = {"X-Subject-Token": stage.tokens["admin"]}
    assert stage.ask("admin", "GET", path).status_code == 200
    revoked = stage.ask("admin", "DELETE", "/identity/v3/auth/tokens", headers=subject)
    assert revoked.status_code == 204
    assert stage.ask("admin", "GET", path).status_code == 401
    stage.restore()


STRANGE_IDS = [
    *("%2F", "a%2Fb", "..%2F..%2Fv1", "%2e%2e", "x" * 3000),
    *("%F0%9F%98%80", "%0d%0aX-Evil:1", "*"),
]


@pytest.mark.parametrize("strange", STRANGE_IDS, ids=lambda value: value[:12])
@pytest.mark.parametrize("path", [*READS, "/network/v2.0/ports", "/identity/v3/users"])
def test_a_strange_id_is_an_unknown_id(stage: Stage, path: str, strange: str) -> None:
    answer = stage.ask("admin", "GET", f"{path}/{strange}")
    assert answer.status_code == 404, answer.text
    message(answer)
    assert "x-evil" not in answer.headers


QUESTIONS = [
    ("/network/v2.0/networks", ["limit=-1", "limit=x", "limit=1.5", "limit=٣", "marker=x"]),
    ("/network/v2.0/ports", ["sort_key=colour", "sort_key=id&sort_dir=up", "limit=1&marker=x"]),
    ("/compute/v2.1/servers", ["limit=-1", "limit=x", "marker=x", "sort_key=colour"]),
    ("/compute/v2.1/servers", ["changes-since=yesterday", "sort_key=name&sort_dir=up", "ip=["]),
    ("/compute/v2.1/flavors", ["limit=-1", "limit=x", "marker=x", "sort_key=colour", "minRam=x"]),
    ("/compute/v2.1/os-keypairs", ["limit=-1", "limit=x", "marker=x"]),
    ("/image/v2/images", ["limit=-1", "limit=x", "marker=x", "sort_key=colour", "sort=name:up"]),
    ("/image/v2/images", ["visibility=x", "member_status=x", "size_min=x", "created_at=gt:x"]),
    ("/v1/jobs", ["limit=-1", "limit=x", "marker=x"]),
]


@pytest.mark.parametrize(("path", "query"), [(p, q) for p, queries in QUESTIONS for q in queries])
def test_a_question_that_makes_no_sense_is_refused(stage: Stage, path: str, query: str) -> None:
    answer = stage.ask("admin", "GET", f"{path}?{query}")
    assert answer.status_code == 400, answer.text
    message(answer)


@pytest.mark.parametrize("path", [*READS, "/network/v2.0/subnets", "/identity/v3/role_assignments"])
@pytest.mark.parametrize("query", ["limit=99999999999999999999", "limit=0", "%00", "a=%ff", "&&=&"])
def test_no_question_is_an_accident(stage: Stage, path: str, query: str) -> None:
    answer = stage.ask("admin", "GET", f"{path}?{query}")
    assert answer.status_code in (200, 400), answer.text


VERSIONS = [
    ("compute 2.9999", 406),
    ("compute 1.1", 406),
    ("compute 3.0", 406),
    ("compute two", 400),
    ("compute 2", 400),
    ("compute 2.01", 400),
    ("compute 2.-1", 400),
    ("compute 2.1.1", 400),
    ("compute " + "9" * 5000 + ".1", 400),
    ("compute ٢.١", 400),
    ("compute latest", 200),
    ("volume 3.0", 200),
    ("compute", 200),
    ("", 200),
]


@pytest.mark.parametrize(("said", "status"), VERSIONS, ids=lambda value: str(value)[:16])
def test_a_microversion_is_one_that_there_is(stage: Stage, said: str, status: int) -> None:
    headers = {"OpenStack-API-Version": said.encode()}
    answer = stage.ask("member", "GET", "/compute/v2.1/servers", headers=headers)
    assert answer.status_code == status, answer.text
    if status != 200:
        message(answer)


@pytest.mark.parametrize(
    ("said", "status", "length"),
    [
        ("bytes=0-9", 206, 10),
        ("bytes=-1", 206, 1),
        ("bytes=500-9999", 206, 12),
        ("bytes=512-", 416, None),
        ("bytes=9999999999999999999999-", 416, None),
        ("bytes=9-1", 400, None),
        ("bytes=x", 400, None),
        ("bytes=" + "0-0," * 2000, None, None),
    ],
    ids=lambda value: str(value)[:16],
)
def test_a_range_of_an_image_is_one_that_it_has(
    stage: Stage, said: str, status: int | None, length: int | None
) -> None:
    path = f"/image/v2/images/{stage.things['images']}/file"
    answer = stage.ask("member", "GET", path, headers={"Range": said})
    assert answer.status_code < 500
    if status is not None:
        assert answer.status_code == status, answer.text
    if answer.status_code >= 400:
        message(answer)
    elif length is not None:
        assert len(answer.content) == length


def test_no_text_of_a_tenant_becomes_a_header(stage: Stage) -> None:
    evil = "a%0d%0aX-Evil:%201"
    for path in (
        f"/compute/v2.1/servers/{stage.things['servers']}/tags/{evil}",
        f"/network/v2.0/networks/{stage.things['networks']}/tags/{evil}",
        f"/image/v2/images/{stage.things['images']}/tags/{evil}",
        f"/identity/v3/projects/{stage.things['projects']}/tags/{evil}",
    ):
        answer = stage.ask("admin", "PUT", path)
        assert stage.ask("admin", "PUT", path.replace("%20", "%F0%9F%98%80")).status_code < 500
        assert answer.status_code < 500
        assert "x-evil" not in answer.headers
        assert not [value for value in answer.headers.values() if "\r" in value or "\n" in value]
    stage.restore()
