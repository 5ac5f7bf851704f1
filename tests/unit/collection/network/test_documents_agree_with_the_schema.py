"""The collection accepts exactly the network documents that the schema accepts."""

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
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.sections import SECTIONS
from hypothesis import given, settings

from tests.support import network_documents as build
from tests.support.mutations import at, mutated, places

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


@settings(max_examples=600)
@given(mutated(FULL, VALUES))
def test_both_judge_alike(document: dict[str, Any]) -> None:
    newline = any(
        isinstance(value, str) and value.endswith("\n")
        for place in places(document)
        if not isinstance(value := at(document, place), dict | list)
    )
    if newline:
        # "$" in a JSON Schema pattern is Python's, which lets a last newline pass; we do not.
        assert not accepted(document) or SCHEMA.is_valid(document)
    else:
        assert accepted(document) == SCHEMA.is_valid(document)
