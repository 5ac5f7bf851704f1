"""Answers that are given again: only to who asked, and only while they are true."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import event
from starlette.testclient import TestClient

from freehold.http.answers import MOST_BYTES, Answers, Question
from freehold.http.call import Reply
from freehold.store import utc_now
from tests.support.lab import until
from tests.support.service import Service, admin, tenant

FLAVORS = "/compute/v2.1/flavors/detail"


@contextmanager
def statements(service: Service) -> Iterator[list[str]]:
    """The SQL that the service runs while the block runs."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(service.store.engine, "before_cursor_execute", note)
    yield seen
    event.remove(service.store.engine, "before_cursor_execute", note)


@pytest.fixture
def sqlite(service: Service) -> Service:
    if not service.store.is_sqlite:
        pytest.skip("PostgreSQL does not tell its version, so nothing is remembered")
    return service


def make_flavor(client: TestClient, name: str) -> None:
    flavor = {"flavor": {"name": name, "ram": 64, "vcpus": 1, "disk": 1}}
    assert client.post("/compute/v2.1/flavors", json=flavor).status_code == 200


def names(client: TestClient, **headers: str) -> set[str]:
    return {one["name"] for one in client.get(FLAVORS, headers=headers).json()["flavors"]}


def test_what_was_just_read_is_not_read_again(sqlite: Service) -> None:
    client = sqlite.client(admin())
    make_flavor(client, "small")
    pairs: list[tuple[Response, Response]] = []

    def repeats() -> bool:
        first = client.get(FLAVORS)
        with statements(sqlite) as run:
            second = client.get(FLAVORS)
        pairs.append((first, second))
        return not run

    # An answer is good for a second, which a busy machine may let pass in between.
    until("an answer is given again", repeats, 30)
    first, second = pairs[-1]
    assert second.content == first.content
    assert second.headers["content-type"] == "application/json"
    assert second.headers["x-openstack-request-id"] != first.headers["x-openstack-request-id"]
    own = {"x-openstack-request-id", "x-compute-request-id"}
    assert {n: v for n, v in second.headers.items() if n not in own} == {
        n: v for n, v in first.headers.items() if n not in own
    }


def test_a_client_may_insist_on_a_new_answer(sqlite: Service) -> None:
    client = sqlite.client(admin())
    names(client)
    with statements(sqlite) as run:
        names(client, **{"Cache-Control": "max-age=0, No-Cache"})
    assert run


def test_a_change_is_seen_by_the_next_request(service: Service) -> None:
    client = service.client(admin())
    for number in range(5):
        make_flavor(client, f"flavor{number}")
        assert names(client) == {f"flavor{n}" for n in range(number + 1)}


def test_what_another_process_commits_is_seen(sqlite: Service) -> None:
    client = sqlite.client(admin())
    make_flavor(client, "small")
    assert names(client) == {"small"}
    with sqlite3.connect(sqlite.store.url.removeprefix("sqlite:///")) as other:
        other.execute("UPDATE flavors SET name = 'large'")
    other.close()
    assert names(client) == {"large"}


def test_nobody_gets_the_answer_of_another(service: Service) -> None:
    mine, stranger = service.client(tenant()), service.client(tenant())
    made = mine.post("/network/v2.0/networks", json={"network": {"name": "lan"}})
    path = f"/network/v2.0/networks/{made.json()['network']['id']}"
    assert mine.get(path).status_code == 200
    assert stranger.get(path).status_code == 404
    assert service.client().get(path).status_code == 401
    assert mine.get(path).status_code == 200


def test_each_microversion_has_its_own_answer(service: Service) -> None:
    client = service.client(admin())
    make_flavor(client, "small")
    client.get(FLAVORS)
    newer = client.get(FLAVORS, headers={"OpenStack-API-Version": "compute 2.55"})
    assert "description" in newer.json()["flavors"][0]
    assert "description" not in client.get(FLAVORS).json()["flavors"][0]


def test_a_revoked_token_gets_nothing_again(service: Service) -> None:
    client = service.client(admin())
    token = client.headers["X-Auth-Token"]
    assert client.get(FLAVORS).status_code == 200
    revoked = client.delete("/identity/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert revoked.status_code == 204
    assert client.get(FLAVORS).status_code == 401


def test_a_token_gets_nothing_again_once_it_is_over(service: Service) -> None:
    now = utc_now()
    ends = now + timedelta(seconds=2)
    token, _ = service.app.state.access.tokens.issue(admin(), now, ends)
    client = TestClient(service.app, headers={"X-Auth-Token": token})
    seen = set()
    while utc_now() < ends:  # so that an answer is remembered when the token ends
        seen.add(client.get(FLAVORS).status_code)
    assert 200 in seen
    assert client.get(FLAVORS).status_code == 401


def test_an_answer_of_an_older_version_is_not_kept() -> None:
    answers = Answers()
    old, new = (answers.question(request("/"), version) for version in (1, 2))
    assert old is not None
    assert new is not None
    answers.keep(old, Reply(b"old"))
    assert answers.find(old) is None
    answers.keep(new, Reply(b"new"))
    assert answers.find(new) == Reply(b"new")
    assert answers.find(old) is None


def test_an_answer_ends_with_its_time_and_with_what_it_rests_on() -> None:
    answers = Answers()
    begun = utc_now()

    def at(seconds: float) -> Question:
        question = answers.question(request("/"), 1)
        assert question is not None
        return replace(question, asked=begun + timedelta(seconds=seconds))

    answers.keep(at(0), Reply(b"long"))
    assert [second for second in (-0.1, 0, 0.9, 1) if answers.find(at(second))] == [0, 0.9]
    answers.keep(at(0), Reply(b"short"), begun + timedelta(seconds=0.5))
    assert [second for second in (-0.1, 0, 0.4, 0.5) if answers.find(at(second))] == [0, 0.4]


def test_what_is_remembered_is_bounded() -> None:
    answers = Answers()
    large = Reply(b"x" * (MOST_BYTES // 2 - 100))
    asked = [answers.question(request(f"/{number}"), 1) for number in range(3)]
    for question in asked:
        assert question is not None
        answers.keep(question, large)
    kept = [question for question in asked if question and answers.find(question)]
    assert kept == asked[2:]
    huge = answers.question(request("/huge"), 1)
    assert huge is not None
    answers.keep(huge, Reply(b"x" * MOST_BYTES))
    assert answers.find(huge) is None


def request(path: str) -> dict[str, Any]:
    """As much of an ASGI request as counts."""
    return {"path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
