"""The collection accepts exactly the documents that the schema accepts."""

from __future__ import annotations

import copy
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
from hypothesis import strategies as st

from tests.unit.collection.host.documents import image, raw_document, removed, server, uuid

SCHEMA = jsonschema.Draft202012Validator(
    json.loads(
        (Path(__file__).parents[4] / "docs/reference/documents/host.schema.json").read_text()
    )
)
FULL = raw_document(
    images=[image(), removed(uuid(1))], servers=[server(description="d"), removed(uuid(2))]
)
VALUES = [None, True, False, 0, 1, -1, 5, "", "text", "on", "removed", "present", uuid(9), [], {}]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to everything in a JSON value but the content of a config drive's objects."""
    found = [path]
    if path and path[-1] in ("meta_data", "network_data"):
        return found
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        found += places(item, (*path, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    document = copy.deepcopy(FULL)
    path = draw(st.sampled_from([place for place in places(FULL) if place]))
    parent: Any = document
    for key in path[:-1]:
        parent = parent[key]
    change = draw(st.sampled_from(["replace", "remove", "add"]))
    if change == "replace":
        parent[path[-1]] = draw(st.sampled_from(VALUES))
    elif change == "remove":
        del parent[path[-1]]
    elif isinstance(parent, dict):
        parent["extra"] = draw(st.sampled_from(VALUES))
    else:
        parent.append(draw(st.sampled_from(VALUES)))
    return document


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


@settings(max_examples=500, deadline=None)
@given(mutated())
def test_both_judge_alike(document: dict[str, Any]) -> None:
    if accepted(document) != SCHEMA.is_valid(document):
        # Two entries with one id are the one thing that a schema cannot refuse.
        ids = [one["id"] for section in ("images", "servers") for one in document[section]]
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
