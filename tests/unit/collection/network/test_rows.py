"""Values, rows and links: there and back."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.ovn import values
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import (
    SHARED_MEMBERS,
    Link,
    derived_id,
    from_wire,
    our_part,
    read_links,
    to_wire,
    written_links,
)
from hypothesis import given
from hypothesis import strategies as st

IDS = st.uuids().map(str)
OF_KIND: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(),
    "number": st.integers(),
    "flag": st.booleans(),
    "texts": st.frozensets(st.text()),
    "map": st.dictionaries(st.text(), st.text()),
    "references": st.frozensets(IDS),
    "maybe_text": st.none() | st.text(),
    "maybe_number": st.none() | st.integers(),
    "maybe_flag": st.none() | st.booleans(),
    "maybe_reference": st.none() | IDS,
}
PLACES = st.sampled_from(sorted(SHARED_MEMBERS))
LINKS = st.builds(
    lambda place, parent, member: Link(place[0], parent, place[1], member), PLACES, IDS, IDS
)


@given(
    st.sampled_from(sorted(OF_KIND)).flatmap(lambda kind: st.tuples(st.just(kind), OF_KIND[kind]))
)
def test_values_survive_the_wire(drawn: tuple[str, Any]) -> None:
    kind, value = drawn
    assert from_wire(kind, json.loads(json.dumps(to_wire(kind, value)))) == value


@pytest.mark.parametrize(
    ("kind", "wire", "value"),
    [
        ("texts", "one", frozenset({"one"})),
        ("references", ["uuid", "x"], frozenset({"x"})),
        ("maybe_reference", ["uuid", "x"], "x"),
        ("maybe_flag", True, True),
    ],
)
def test_the_server_writes_a_set_of_one_as_the_one(kind: str, wire: Any, value: Any) -> None:
    assert from_wire(kind, wire) == value


@given(st.frozensets(LINKS))
def test_links_are_read_as_they_were_written(links: frozenset[Link]) -> None:
    assert read_links(written_links(links)) == links


@given(st.text())
def test_links_that_somebody_else_wrote_do_no_harm(text: str) -> None:
    assert all(link.shared for link in read_links(text))


def test_derived_ids_are_uuids_that_stay() -> None:
    """They are in databases: another way to derive them would leave the old rows behind."""
    assert derived_id("drop_group") == "66f44c7c-b081-5489-bef9-22006bb67439"
    assert uuid.UUID(derived_id("snat", "a", "b")).version == 5
    assert derived_id("snat", "a", "b") != derived_id("snat", "b", "a")


def test_keys_of_others_are_not_ours() -> None:
    ids = {"freehold": "port/x", "operator": "y"}
    assert our_part("Logical_Switch_Port", "external_ids", ids) == {"freehold": "port/x"}
    assert our_part("Logical_Switch_Port", "options", {"qos_max_rate": "1"}) == {}
    assert our_part("DHCP_Options", "options", {"anything": "1"}) == {"anything": "1"}


CHECKS = [
    values.address,
    values.network,
    values.interface,
    values.address_or_network,
    values.mac,
    values.token,
]
SAFE = set("0123456789abcdefABCDEFGHIJKLMNOPQRSTUVWXYZghijklmnopqrstuvwxyz:./_-")


@pytest.mark.parametrize("check", CHECKS)
@given(text=st.text() | st.text(sorted(SAFE)) | st.from_regex(r"[0-9.:/%a-f\"'|&{} \n]{1,30}"))
def test_what_passes_a_check_can_stand_in_an_expression(check: Any, text: str) -> None:
    try:
        result = check(text, "field")
    except CloudError as error:
        if not error.message.startswith("field ") or error.retry != "when_changed":
            raise
    else:
        assert set(result) <= SAFE
        assert check(result, "field") == result
