"""The collection accepts exactly the documents that the schema accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    CloudError,
    read_document,
)
from ansible_collections.freehold.cloud.plugins.module_utils.host.sections import SECTIONS
from hypothesis import given, settings

from tests.support.mutations import mutated
from tests.unit.collection.host.documents import (
    image,
    raw_document,
    removed,
    server,
    snapshot,
    uuid,
)

SCHEMA = jsonschema.Draft202012Validator(
    json.loads(
        (Path(__file__).parents[4] / "docs/reference/documents/host.schema.json").read_text()
    )
)
FULL = raw_document(
    images=[image(), removed(uuid(1))],
    servers=[server(description="d"), removed(uuid(2))],
    snapshots=[snapshot(), removed(uuid(3))],
)
VALUES = [None, True, False, 0, 1, -1, 5, "", "text", "on", "removed", "present", uuid(9), [], {}]


def accepted(document: dict[str, Any]) -> bool:
    try:
        read_document(json.dumps(document), "host", SECTIONS)
    except CloudError as error:
        if error.code != "DOCUMENT_INVALID" or "secret-token" in error.message:
            raise
        return False
    return True


def test_the_full_document_is_accepted() -> None:
    SCHEMA.validate(FULL)
    assert accepted(FULL)


@settings(max_examples=500)
@given(mutated(FULL, VALUES, opaque=("meta_data", "network_data")))
def test_both_judge_alike(document: dict[str, Any]) -> None:
    if accepted(document) != SCHEMA.is_valid(document):
        # Two entries with one id are the one thing that a schema cannot refuse.
        ids = [
            one["id"] for section in ("images", "snapshots", "servers") for one in document[section]
        ]
        assert len(ids) != len(set(ids)), document


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("{", "no JSON"),
        ("[]", "document must be an object"),
        (json.dumps({**FULL, "kind": 1}), "'kind'"),
        (json.dumps(raw_document(servers=[server(power="up")])), "document.servers[0].power"),
        (json.dumps(raw_document(servers=[server(id=uuid(1) + "\n")])), "document.servers[0].id"),
        (json.dumps(raw_document(servers=[server(), server()])), "twice"),
    ],
)
def test_a_refusal_tells_the_place(content: str, place: str) -> None:
    with pytest.raises(CloudError) as error:
        read_document(content, "host", SECTIONS)
    assert place in error.value.message
    assert error.value.retry == "never"
