"""What a tenant writes is kept as it was written, or refused (invariant 1): every text of every
request, found in the OpenAPI document, with what other languages would read as theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from freehold.store import Base
from tests.api.fuzz.cases import Target, targets
from tests.api.fuzz.text_fields import TextField, body_schema, in_body, text_fields
from tests.api.isolation.stage import Stage
from tests.api.isolation.table import question

ROOMS = ("/identity/", "/image/", "/network/", "/compute/")
MARK = Path("/tmp/freehold-text-ran")
CONVERGED = ("/network/", "/compute/")
"""Rooms whose rows machines follow."""
HEART = "{{7*7}}"
"""What all texts have: a trace of one that is not whole."""
TEXTS = {
    "everything": (
        f"{HEART}-{{{{ lookup('pipe', 'touch {MARK}') }}}}{{% raw %}}!unsafe {{#"
        f"$(touch {MARK})`touch {MARK}`;"
        ']]></name>&evil;<!-- " <x a=\'b\'>|| 1 && $set == @group \\ ["uuid"] \n\t\x1b[31m '
        "\u00fc \U0001d11e \u202e \u2028 \ufeff"
    ),
    "a short one": f"{HEART}\"'<&$x`;]| \u00fc",
}
UNSTORABLE = {"NUL": "a\0b", "half of a surrogate pair": "a\ud800b"}
SECRET = {"password", "original_password", "secret", "adminPass", "blob"}
"""Members that are kept hashed or sealed, or nowhere."""


NOT_KEPT = {
    "auth.identity.token.id": "nobody asks for the method token here",
    "security_group_rule.project_id": "a rule is its group's project's",
}
"""Members that are read, or not even that, and never shown."""


@dataclass
class Asked:
    """What came of the requests: where an answer is wrong, and what was taken."""

    wrong: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    in_documents: set[str] = field(default_factory=set)


@pytest.mark.timeout(300)
def test_text_is_kept_as_it_was_written_or_refused(stage: Stage) -> None:
    """In one test: to write the OpenAPI document down takes longer than a room's requests."""
    document = stage.service.app.openapi()
    asked = Asked()
    for target in targets(stage):
        if not target.line.path.startswith(ROOMS):
            continue
        fields = _fields(stage, document, target)
        for one in fields:
            _ask_with(stage, target, one, TEXTS, asked)
        for one in fields[:1]:  # refused before anybody looks at the fields
            _ask_with(stage, target, one, UNSTORABLE, asked)
    assert not asked.wrong, "\n".join(asked.wrong)
    for room in ROOMS:
        assert any(room in where for where in asked.taken), f"nothing was taken in {room}"
    assert {"host", "network"} <= asked.in_documents, "no job was given a text"
    assert not MARK.exists()


def _fields(stage: Stage, document: Mapping[str, Any], target: Target) -> list[TextField]:
    """By the schema, and where that has no word for them (actions) by a request that is right."""
    schema = body_schema(target.operation.definition.raw)
    if not schema:
        return []
    body = question(stage, target.line).options.get("body")
    return list(dict.fromkeys([*text_fields(document, schema), *in_body(body)]))


def _ask_with(
    stage: Stage, target: Target, place: TextField, texts: Mapping[str, str], asked: Asked
) -> None:
    where = f"{target.line} {place}"
    for kind, text in texts.items():
        answer = _answer(stage, target, place, text)
        if answer.status_code >= 500:
            asked.wrong.append(f"{where}: {kind} → {answer.status_code} {answer.text[:200]}")
        elif kind in UNSTORABLE and answer.status_code != 400:
            asked.wrong.append(f"{where}: {kind} → {answer.status_code}, not 400")
        if answer.is_success:
            asked.taken.add(where)
            hidden = SECRET & set(place.place) or str(place) in NOT_KEPT
            if not hidden and not _kept(stage, answer, text):
                asked.wrong.append(f"{where}: {kind} → {answer.status_code}, and is not kept")
            if target.line.path.startswith(CONVERGED):
                _look_at_jobs(stage, where, text, asked)
            stage.restore()


def _answer(stage: Stage, target: Target, place: TextField, text: str) -> Any:
    usual = question(stage, target.line)
    options = dict(usual.options)
    body = place.filled(options.pop("body", None), text)
    headers = {"Content-Type": "application/json"} | options.pop("headers", {})
    content = json.dumps(body).encode()
    return stage.ask(
        target.persona, usual.method, usual.path, content=content, headers=headers, **options
    )


def _look_at_jobs(stage: Stage, where: str, text: str, asked: Asked) -> None:
    """A tenant's text is whole in a job's document and in no variable of its playbook."""
    for run in stage.converge():
        if HEART in json.dumps(dict(run.variables)) or HEART in (run.limit or ""):
            asked.wrong.append(f"{where}: is a variable of {run.playbook}")
        for found in _strings(run.document):
            if text in found:
                asked.in_documents.add(str((run.document or {})["target"]["kind"]))
            elif HEART in found:
                asked.wrong.append(f"{where}: came to {run.playbook} as {found!r}")


def _kept(stage: Stage, answer: Any, text: str) -> bool:
    """Whether the answer or a row has the text, whole and unchanged."""
    if "json" in answer.headers.get("content-type", "") and text in _strings(answer.json()):
        return True
    with stage.service.store.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)):
                if text in _strings(list(row)):
                    return True
    return False


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield name
            yield from _strings(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _strings(member)
