"""Lists: filters, fields, sorting, paging in both directions."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.api.network.neutron import Neutron, neutron
from tests.support.service import Service


@pytest.fixture
def mine(service: Service) -> Neutron:
    return neutron(service)


def _named(mine: Neutron, *names: str) -> dict[str, str]:
    return {name: mine.create("network", name=name)["id"] for name in names}


def _follow(mine: Neutron, body: dict[str, Any], rel: str) -> dict[str, Any] | None:
    """The page behind a link, None where there is no such link."""
    links = {link["rel"]: link["href"] for link in body["networks_links"]}
    if rel not in links:
        return None
    parts = urlsplit(links[rel])
    answer = mine.client.get(f"{parts.path}?{parts.query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found if found["networks"] else None


def _names(body: dict[str, Any]) -> list[str]:
    return [row["name"] for row in body["networks"]]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 9])
def test_links_lead_through_all_pages_and_back(mine: Neutron, size: int) -> None:
    _named(mine, *"abcdefg")
    page = mine.call("GET", "/networks", limit=size, sort_key="name", sort_dir="desc").json()
    there = [page]
    while (following := _follow(mine, page, "next")) is not None:
        page = following
        there.append(page)
    assert [name for one in there for name in _names(one)] == list("gfedcba")
    back = [page]
    while (before := _follow(mine, page, "previous")) is not None:
        page = before
        back.append(page)
    assert [_names(one) for one in reversed(back)] == [_names(one) for one in there]


def test_equal_sort_keys_neither_lose_nor_repeat_rows(mine: Neutron) -> None:
    ids = {mine.create("network", name="same")["id"] for _ in range(5)}
    seen: list[str] = []
    while True:
        marker = {"marker": seen[-1]} if seen else {}
        rows = mine.list("network", limit=2, sort_key="name", **marker)
        if not rows:
            break
        seen += [row["id"] for row in rows]
    assert len(seen) == 5
    assert set(seen) == ids


def test_filters_are_and_between_names_and_or_within(mine: Neutron) -> None:
    ids = _named(mine, "a", "b", "c")
    mine.update("network", ids["a"], admin_state_up=False)
    path = "/network/v2.0/networks"
    both = mine.client.get(f"{path}?name=a&name=b").json()
    assert sorted(_names(both)) == ["a", "b"]
    down = mine.client.get(f"{path}?name=a&name=b&admin_state_up=False").json()
    assert _names(down) == ["a"]
    assert mine.list("network", name="") == []
    assert len(mine.list("network", tenant_id=mine.caller.project_id)) == 3
    assert len(mine.list("network", status="ACTIVE")) == 3
    assert mine.list("network", status="ERROR") == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=-1",
        "sort_key=colour",
        "sort_key=name&sort_dir=up",
        "limit=1&marker=nowhere",
        "admin_state_up=perhaps",
        "page_reverse=perhaps",
    ],
)
def test_a_bad_question_is_a_bad_request(mine: Neutron, query: str) -> None:
    _named(mine, "a")
    answer = mine.client.get(f"/network/v2.0/networks?{query}")
    assert answer.status_code == 400
    assert set(answer.json()["NeutronError"]) == {"type", "message", "detail"}


def test_fields_choose_attributes_of_lists_and_of_one(mine: Neutron) -> None:
    ids = _named(mine, "a")
    path = "/network/v2.0/networks"
    listed = mine.client.get(f"{path}?fields=id&fields=name").json()["networks"]
    assert listed == [{"id": ids["a"], "name": "a"}]
    shown = mine.client.get(f"{path}/{ids['a']}?fields=name").json()["network"]
    assert shown == {"name": "a"}


def test_addresses_find_ports(mine: Neutron) -> None:
    network, subnet = mine.network()
    other, _ = mine.network("10.7.0.0/24")
    port = mine.create("port", network_id=network)
    mine.create("port", network_id=other)
    address = port["fixed_ips"][0]["ip_address"]
    for query in (
        f"fixed_ips=subnet_id={subnet}",
        f"fixed_ips=ip_address={address}&fixed_ips=subnet_id={subnet}",
        f"mac_address={port['mac_address'].upper()}",
    ):
        found = mine.client.get(f"/network/v2.0/ports?{query}").json()["ports"]
        assert [one["id"] for one in found] == [port["id"]], query


def test_tags_filter_by_all_any_and_none(mine: Neutron) -> None:
    ids = _named(mine, "a", "b", "c")
    mine.call("PUT", f"/networks/{ids['a']}/tags", {"tags": ["red", "big"]})
    mine.call("PUT", f"/networks/{ids['b']}/tags", {"tags": ["red"]})
    for query, names in (
        ("tags=red,big", ["a"]),
        ("tags-any=big,blue", ["a"]),
        ("tags=red", ["a", "b"]),
        ("not-tags=red,big", ["b", "c"]),
        ("not-tags-any=big,red", ["c"]),
        ("tags=Red", []),
    ):
        found = mine.client.get(f"/network/v2.0/networks?{query}&sort_key=name").json()
        assert _names(found) == names, query


def test_many_are_made_at_once_or_none(mine: Neutron) -> None:
    answer = mine.call("POST", "/networks", {"networks": [{"name": "a"}, {"name": "b"}]})
    assert answer.status_code == 201
    assert sorted(_names(answer.json())) == ["a", "b"]
    both = {"networks": [{"name": "c"}, {"name": "d", "mtu": 9000}]}
    mine.refused(400, "POST", "/networks", both)
    assert sorted(row["name"] for row in mine.list("network")) == ["a", "b"]
    for body in ({}, {"network": {}, "networks": [{}]}, {"networks": []}, {"network": {"x": 1}}):
        mine.refused(400, "POST", "/networks", body)


def test_ports_are_found_by_a_part_of_their_address(mine: Neutron) -> None:
    network, subnet = mine.network("10.7.0.0/24")
    other, _ = mine.network("10.8.0.0/24")
    ids = {
        address: mine.create("port", network_id=network, fixed_ips=[{"ip_address": address}])["id"]
        for address in ("10.7.0.71", "10.7.0.72", "10.7.0.8")
    }
    mine.create("port", network_id=other, fixed_ips=[{"ip_address": "10.8.0.71"}])

    def found(*filters: str) -> set[str]:
        return {row["id"] for row in mine.list("port", fixed_ips=list(filters))}

    of_subnet = f"subnet_id={subnet}"
    assert found("ip_address_substr=.0.7", of_subnet) == {ids["10.7.0.71"], ids["10.7.0.72"]}
    assert found("ip_address_substr=10.7.0.8") == {ids["10.7.0.8"]}
    # Signs that a database would read as "anything" are only signs.
    assert found("ip_address_substr=%") == set()
