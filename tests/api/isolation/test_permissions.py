"""Every route × persona: what docs/reference/permissions.md says is what happens (invariant 11)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from httpx2 import Response

from tests.api.isolation.stage import PERSONAS, Stage
from tests.api.isolation.table import Line, Question, question, read_table, without_ids

LINES = read_table()
ROOMS = ("identity", "image", "network", "compute", "v1", "")
OWNERS = ("reader", "member", "admin", "system")


@pytest.mark.parametrize("room", ROOMS)
def test_each_persona_gets_what_the_table_says(stage: Stage, room: str) -> None:
    lines = [line for line in LINES if line.path.split("/")[1] == room]
    wrong = [problem for line in lines for problem in _problems(stage, line)]
    assert lines
    assert not wrong, "\n".join(wrong)


def _problems(stage: Stage, line: Line) -> Iterator[str]:
    asked = question(stage, line)
    for persona, expected in zip(PERSONAS, line.expected, strict=True):
        answer = _ask(stage, persona, asked)
        queries = stage.queries
        if answer.status_code != expected:
            told = f"{answer.status_code}, not {expected}: {answer.text[:200]}"
            yield f"{line} as {persona}: {told}"
        if persona not in OWNERS:
            yield from (f"{line} tells {persona} {word}" for word in _told(stage, asked, answer))
        if persona == "stranger" and answer.status_code in (403, 404):
            yield from _differences(stage, line, asked, answer, queries)
        if answer.is_success and line.method not in ("GET", "HEAD"):
            stage.restore()


def _ask(stage: Stage, persona: str, asked: Question) -> Response:
    return stage.ask(persona, asked.method, asked.path, **asked.options)


def _told(stage: Stage, asked: Question, answer: Response) -> list[str]:
    """What of the owner's is in the answer and was not in the question."""
    said = f"{asked.path} {asked.options}"
    text = f"{answer.text} {dict(answer.headers)}"
    return [word for word in sorted(stage.private) if word in text and word not in said]


def _differences(
    stage: Stage, line: Line, asked: Question, answer: Response, queries: int
) -> Iterator[str]:
    """Where a refusal differs from the one for ids that nothing has."""
    nothing = _ask(stage, "stranger", asked.about_nothing())
    if nothing.status_code != answer.status_code:
        yield f"{line}: {answer.status_code} for others' ids, {nothing.status_code} for unknown"
    if _form(nothing) != _form(answer):
        yield f"{line}: {answer.text} for others' ids, {nothing.text} for unknown"
    if stage.queries != queries:
        yield f"{line}: {queries} queries for others' ids, {stage.queries} for unknown"


def _form(answer: Response) -> tuple[str, list[str]]:
    """Text without ids, and the names of the headers."""
    return without_ids(answer.text), sorted(answer.headers)
