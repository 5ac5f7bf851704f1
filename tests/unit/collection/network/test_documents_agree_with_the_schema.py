"""The collection accepts exactly the network documents that the schema accepts."""

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
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.sections import SECTIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import network_documents as build

SCHEMA = jsonschema.Draft202012Validator(
    json.loads(
        (Path(__file__).parents[4] / "docs/reference/documents/network.schema.json").read_text()
    )
)
FULL = build.cloud()
FULL["subnets"][0]["host_routes"] = [{"destination": "192.0.2.0/24", "nexthop": "10.10.1.9"}]
FULL["routers"][0]["routes"] = [{"destination": "192.0.2.0/24", "nexthop": "10.10.1.9"}]
FULL["ports"][0]["allowed_address_pairs"] = [{"ip_address": "10.0.0.1", "mac_address": ""}]
for number, name in enumerate(build.SECTIONS):
    FULL[name].append(build.removed(build.uuid(0x900 + number)))
VALUES = [None, True, False, 0, 1, -1, 4, 6, 1.5, "", "text", "removed", "present", "ingress"]
VALUES += [build.uuid(9), build.uuid(9) + "\n", [], {}, [build.uuid(9)]]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to everything in a JSON value."""
    found = [path]
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
        read_document(json.dumps(document), "network", SECTIONS)
    except CloudError as error:
        if error.code != "DOCUMENT_INVALID":
            raise
        return False
    return True


@pytest.mark.parametrize("document", [FULL, build.all_removed(FULL), build.document("all")])
def test_documents_of_the_builders_are_good(document: dict[str, Any]) -> None:
    SCHEMA.validate(document)
    assert accepted(document)


@settings(max_examples=600, deadline=None)
@given(mutated())
def test_both_judge_alike(document: dict[str, Any]) -> None:
    newline = any(
        isinstance(value, str) and value.endswith("\n")
        for place in places(document)
        if not isinstance(value := _at(document, place), dict | list)
    )
    if newline:
        # "$" in a JSON Schema pattern is Python's, which lets a last newline pass; we do not.
        assert not accepted(document) or SCHEMA.is_valid(document)
    else:
        assert accepted(document) == SCHEMA.is_valid(document)


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document
