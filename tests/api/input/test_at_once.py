"""Many callers delete one thing at once: they are answered as if they had come one after another.

So one has done it, and the others are told that it is not there, or, where the API takes a second
time as no mistake (a server that is going, all tags of a thing), that it is done.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from freehold.store import Base
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


def _who_may(line: Line) -> tuple[str, int]:
    """The first persona, from the operator down, whom the table lets do it; with what answer."""
    told = dict(zip(PERSONAS, line.expected, strict=True))
    persona = next((one for one in ("admin", "member") if told[one] < 400), "admin")
    return persona, told[persona]


def _status(stage: Stage, persona: str, asked: Question) -> int:
    return stage.ask(persona, asked.method, asked.path, **asked.options).status_code
