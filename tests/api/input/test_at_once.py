"""Many callers change or delete one thing at once: it is as if they had come one after another.

Of deletions one has done it, and the others are told that it is not there, or, where the API takes
a second time as no mistake (a server that is going, all tags of a thing), that it is done. Of
changes that say different things all are kept.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select, text

from freehold.identity.user import OPTIONS as USER_OPTIONS
from freehold.store import Base, Store
from tests.api.isolation.stage import PERSONAS, Stage
from tests.api.isolation.table import Line, Question, question, read_table

CALLERS = 6
REMOVALS = [
    line for line in read_table() if line.method == "DELETE" or "remove_router" in line.path
]
NO_MISTAKE_AGAIN = (
    "/tags",
    "/compute/v2.1/servers/{server_id}",
    "/compute/v2.1/os-quota-sets/{project_id}",
)
"""How the paths end where a second deletion is answered as the first."""
TABLES = {"policies": "policy_documents"}
"""Where a table is not named as its collection."""


@pytest.mark.parametrize("line", REMOVALS, ids=str)
def test_many_who_remove_one_thing_are_answered_as_one_after_another(
    stage: Stage, line: Line
) -> None:
    asked = question(stage, line)
    persona, done = _who_may(line)
    again = done if line.path.endswith(NO_MISTAKE_AGAIN) or done >= 400 else 404
    start = Barrier(CALLERS)

    def remove(_: int) -> int:
        start.wait()
        return _status(stage, persona, asked)

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = Counter(pool.map(remove, range(CALLERS)))
    stage.restore()
    assert answers == Counter([done, *[again] * (CALLERS - 1)])


def test_a_server_that_many_deleted_goes(stage: Stage) -> None:
    place = f"/compute/v2.1/servers/{stage.things['stopped_server']}"
    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(lambda _: stage.ask("member", "DELETE", place), range(CALLERS)))
    stage.converge()
    gone = stage.ask("member", "GET", place).status_code
    stage.restore()
    assert {answer.status_code for answer in answers} == {204}
    assert gone == 404


def test_a_stranger_is_refused_while_the_owner_is_at_work(stage: Stage) -> None:
    """They neither wait for the rows that they may not see, nor would make the owner wait."""
    store = stage.service.store
    if store.is_sqlite:
        pytest.skip("SQLite has one writer: all writes wait for each other")
    column = PERSONAS.index("stranger")
    lines = [line for line in REMOVALS if line.expected[column] == 404]
    with store.write() as session:
        for table in Base.metadata.sorted_tables:
            session.execute(select(table).with_for_update())
        answers = {line: _status(stage, "stranger", question(stage, line)) for line in lines}
    assert answers
    assert set(answers.values()) == {404}


@pytest.mark.parametrize(
    "kind",
    ["domain", "endpoint", "group", "policy", "project", "region", "role", "service", "user"],
)
def test_attributes_that_many_add_to_one_thing_are_all_kept(stage: Stage, kind: str) -> None:
    kept = _changed_by_many(stage, kind, lambda n: {f"colour_{n}": n})
    assert {f"colour_{n}": n for n in range(CALLERS)}.items() <= kept.items()


def test_options_that_many_set_on_one_user_are_all_kept(stage: Stage) -> None:
    names = sorted(USER_OPTIONS)
    kept = _changed_by_many(
        stage, "user", lambda n: {"options": dict.fromkeys(names[n : n + 1], True)}
    )
    assert kept["options"] == dict.fromkeys(names, True)


def _changed_by_many(
    stage: Stage, kind: str, said: Callable[[int], dict[str, Any]]
) -> dict[str, Any]:
    """What the thing is after ``CALLERS`` updates that all began before one of them was through."""
    things = {"policy": "policies"}.get(kind, f"{kind}s")
    path = f"/identity/v3/{things}/{stage.things[things]}"
    with ThreadPoolExecutor(CALLERS) as pool:
        with _nobody_ends(stage.service.store, things):
            calls = [
                pool.submit(stage.ask, "admin", "PATCH", path, {kind: said(n)})
                for n in range(CALLERS)
            ]
        statuses = [call.result().status_code for call in calls]
    kept: dict[str, Any] = stage.ask("admin", "GET", path).json()[kind]
    stage.restore()
    assert statuses == [200] * CALLERS
    return kept


@contextmanager
def _nobody_ends(store: Store, things: str) -> Iterator[None]:
    """Let who is called in the block come as far as the rows of ``things``, and no further in it.

    On SQLite, whose writers wait for each other from their start, nothing needs to be done.
    """
    if store.is_sqlite:
        yield
        return
    table = Base.metadata.tables[TABLES.get(things, things)]
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with store.write() as session:
        session.execute(select(table).with_for_update())
        yield
        give_up = time.monotonic() + 30
        while session.scalar(waiting) != CALLERS:
            assert time.monotonic() < give_up, "the callers never came to the row"
            session.execute(text("SELECT pg_sleep(0.02), pg_stat_clear_snapshot()"))


def _who_may(line: Line) -> tuple[str, int]:
    """The first persona, from the operator down, whom the table lets do it; with what answer."""
    told = dict(zip(PERSONAS, line.expected, strict=True))
    persona = next((one for one in ("admin", "member") if told[one] < 400), "admin")
    return persona, told[persona]


def _status(stage: Stage, persona: str, asked: Question) -> int:
    return stage.ask(persona, asked.method, asked.path, **asked.options).status_code
