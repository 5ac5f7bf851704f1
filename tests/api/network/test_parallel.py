"""Many callers at once: nothing is handed out twice, nothing that is free is refused."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.api.network.neutron import neutron, outside
from tests.support.service import Service


def _at_once(calls: int, call: Any) -> Counter[int]:
    """Run ``call(n)`` from many threads; how often each status was answered."""
    with ThreadPoolExecutor(16) as pool:
        return Counter(answer.status_code for answer in pool.map(call, range(calls)))


def test_ports_from_many_threads_get_exactly_the_free_addresses(service: Service) -> None:
    mine = neutron(service)
    network, subnet = mine.network("10.0.0.0/26")
    body = {"port": {"network_id": network}}
    answers = _at_once(100, lambda _: mine.call("POST", "/ports", body))
    assert answers == {201: 61, 409: 39}
    ports = mine.list("port", network_id=network)
    addresses = [fixed["ip_address"] for port in ports for fixed in port["fixed_ips"]]
    assert sorted(addresses) == sorted(f"10.0.0.{number}" for number in range(2, 63))
    assert len({port["mac_address"] for port in ports}) == 61
    mine.delete("port", ports[7]["id"])
    again = mine.create("port", network_id=network)
    assert again["fixed_ips"] == [{**ports[7]["fixed_ips"][0], "subnet_id": subnet}]


def test_a_refused_port_leaves_nothing_behind(service: Service) -> None:
    mine = neutron(service)
    network, _ = mine.network("10.0.0.0/30")
    mine.create("port", network_id=network)
    said = mine.refused(409, "POST", "/ports", {"port": {"network_id": network}})
    assert said["type"] == "IpAddressGenerationFailure"
    assert len(mine.list("port")) == 1


def test_the_last_of_a_quota_goes_to_one_of_many(service: Service) -> None:
    mine = neutron(service)
    answers = _at_once(24, lambda n: mine.call("POST", "/routers", {"router": {"name": f"r{n}"}}))
    assert answers == {201: 10, 409: 14}
    assert len(mine.list("router")) == 10


def test_a_fixed_address_gets_one_floating_ip_of_many(service: Service) -> None:
    external, _ = outside(service)
    mine = neutron(service)
    network, subnet = mine.network()
    router = mine.create("router", external_gateway_info={"network_id": external})["id"]
    mine.add(router, subnet_id=subnet)
    port = mine.create("port", network_id=network)["id"]
    floating = [mine.create("floatingip", floating_network_id=external)["id"] for _ in range(8)]
    wish = {"floatingip": {"port_id": port}}
    answers = _at_once(8, lambda n: mine.call("PUT", f"/floatingips/{floating[n]}", wish))
    assert answers == {200: 1, 409: 7}


def test_overlapping_subnets_made_at_once_are_one(service: Service) -> None:
    mine = neutron(service)
    network, _ = mine.network(None)
    wish = {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}}
    assert _at_once(8, lambda _: mine.call("POST", "/subnets", wish)) == {201: 1, 400: 7}


def test_a_project_has_one_default_group_however_many_ask_first(service: Service) -> None:
    mine = neutron(service)
    assert _at_once(12, lambda _: mine.call("GET", "/security-groups")) == {200: 12}
    assert [group["name"] for group in mine.list("security_group")] == ["default"]
