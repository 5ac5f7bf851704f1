"""The planner alone: what it asks, and that it plans from answers only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    Document,
    read_document,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.facts import Cells, Linked
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.plan import decide, unknown
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import SHARED_MEMBERS
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.sections import SECTIONS
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.steps import transaction

from tests.support import network_documents as build


def parsed(document: dict[str, Any]) -> Document:
    return read_document(json.dumps(document), "network", SECTIONS)


def answered(document: Document, answer: Callable[[Any], Any]) -> dict[Any, Any]:
    """Let the planner ask until it has no more questions."""
    answers: dict[Any, Any] = {}
    while questions := decide(document, answers).questions:
        answers.update({question: answer(question) for question in questions})
    return answers


def answered_with_nothing(document: Document) -> dict[Any, Any]:
    """All answers of an empty database."""
    return answered(document, lambda _: None)


def test_who_adds_reads_no_column_that_grows_with_the_cloud() -> None:
    for question in answered_with_nothing(parsed(build.cloud())):
        if isinstance(question, Cells):
            assert not {(question.table, name) for name in question.columns} & set(SHARED_MEMBERS)


def test_every_question_is_answered_by_the_index() -> None:
    document = parsed(build.document(ports=[build.port(), build.removed(build.PORT_2)]))
    questions = answered_with_nothing(document)
    assert any(isinstance(one, Cells) for one in questions)
    for question in questions:
        select = question.operation()
        assert select["op"] == "select"
        assert select["where"][0] == ["_uuid", "==", ["uuid", question_uuid(question)]]


def question_uuid(question: Any) -> str:
    uuid: str = question.link.uuid if isinstance(question, Linked) else question.uuid
    return uuid


def test_deciding_twice_gives_the_same() -> None:
    document = parsed(build.cloud())
    answers = answered_with_nothing(document)
    first, second = decide(document, answers), decide(document, answers)
    assert first == second
    assert not first.questions


def test_conditions_stand_before_all_changes() -> None:
    """What the port refers to is there, so it must still be there; the port itself is new."""
    document = parsed(build.document(ports=[build.port(port_security_enabled=False)]))
    there = {build.PRIVATE, build.PRIVATE_SUBNET, build.GROUP}

    def answer(question: Any) -> Any:
        if isinstance(question, Cells) and question.uuid in there:
            return {"external_ids": {}, "cidr": "10.10.1.0/24", "name": "x"}
        return None

    decision = decide(document, answered(document, answer))
    operations = transaction(step for steps in decision.steps.values() for step in steps)
    kinds = [one["op"] for one in operations]
    assert kinds == ["wait", "wait", "insert", "mutate", "mutate"]


def test_only_resources_can_be_unknown() -> None:
    document = parsed(build.document("all", ports=[build.port()]))
    owners = [f"port/{build.PORT_1}", f"port/{build.PORT_2}", "drop_group", "strange/x", "port/"]
    assert unknown(document, owners) == [{"type": "port", "id": build.PORT_2}]
