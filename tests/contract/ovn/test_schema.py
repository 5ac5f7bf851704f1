"""What we believe of the northbound database is what its schema says."""

from __future__ import annotations

import json

from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import (
    COLUMNS,
    OWN_CHILDREN,
    ROOT_TABLES,
    SHARED_MEMBERS,
)

from tests.contract.ovn.servers import SCHEMAS

SCHEMA = json.loads((SCHEMAS / "ovn-nb.ovsschema").read_text())["tables"]
WORDS = {"string": "text", "integer": "number", "boolean": "flag", "uuid": "reference"}


def kind(column: dict[str, object] | str) -> str:
    """Our word for a column's type (RFC 7047 section 3.2)."""
    if isinstance(column, str):
        return WORDS[column]
    if "value" in column:
        return "map"
    key = column["key"]
    word = WORDS[key["type"] if isinstance(key, dict) else str(key)]
    if column.get("max", 1) == "unlimited":
        return {"text": "texts", "reference": "references"}[word]
    return word if column.get("min", 1) == 1 else f"maybe_{word}"


def test_columns_have_the_types_that_we_write() -> None:
    for table, columns in COLUMNS.items():
        for name, ours in columns.items():
            assert kind(SCHEMA[table]["columns"][name]["type"]) == ours, f"{table}.{name}"


def test_tables_live_as_we_think() -> None:
    assert {table for table in COLUMNS if SCHEMA[table].get("isRoot")} == ROOT_TABLES


def test_references_lead_where_we_think() -> None:
    for (table, column), members in {**OWN_CHILDREN, **SHARED_MEMBERS}.items():
        assert SCHEMA[table]["columns"][column]["type"]["key"]["refTable"] == members
