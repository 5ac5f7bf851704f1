"""Subnets: what they cover, where addresses come from, what is refused and by which name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.network.neutron import Neutron, neutron
from tests.support.service import Service


@pytest.fixture
def mine(service: Service) -> Neutron:
    return neutron(service)


def _pool(start: str, end: str) -> dict[str, str]:
    return {"start": f"10.0.0.{start}", "end": f"10.0.0.{end}"}


@pytest.mark.parametrize(
    ("cidr", "gateway", "pools"),
    [
        ("10.0.0.0/24", "10.0.0.1", [("10.0.0.2", "10.0.0.254")]),
        ("10.0.0.77/30", "10.0.0.77", [("10.0.0.78", "10.0.0.78")]),
        ("10.0.0.0/31", "10.0.0.0", [("10.0.0.1", "10.0.0.1")]),
        ("fd00::/64", "fd00::1", [("fd00::2", "fd00::ffff:ffff:ffff:ffff")]),
    ],
)
def test_what_is_not_said_follows_from_the_range(
    mine: Neutron, cidr: str, gateway: str, pools: list[tuple[str, str]]
) -> None:
    _, id_ = mine.network(cidr)
    subnet = mine.show("subnet", id_)
    assert subnet["gateway_ip"] == gateway
    assert [(pool["start"], pool["end"]) for pool in subnet["allocation_pools"]] == pools


@pytest.mark.parametrize(
    ("status", "kind", "fields"),
    [
        (400, "InvalidInput", {"cidr": "10.0.0.0"}),
        (400, "InvalidInput", {"cidr": "10.0.0.0/33"}),
        (400, "InvalidInput", {"cidr": "fd00::/64"}),
        (400, "InvalidInput", {"cidr": "224.0.0.0/24"}),
        (400, "InvalidInput", {"cidr": "0.0.0.0/0"}),
        (400, "InvalidInput", {"gateway_ip": "10.0.1.1"}),
        (400, "InvalidInput", {"gateway_ip": "10.0.0.255"}),
        (400, "InvalidInput", {"gateway_ip": "first"}),
        (400, "InvalidInput", {"dns_nameservers": ["dns.example"]}),
        (400, "InvalidInput", {"dns_nameservers": ["9.9.9.9", "9.9.9.9"]}),
        (400, "DNSNameServersExhausted", {"dns_nameservers": [f"9.9.9.{n}" for n in range(6)]}),
        (400, "InvalidInput", {"host_routes": [{"destination": "x", "nexthop": "10.0.0.1"}]}),
        (400, "InvalidInput", {"host_routes": [{"destination": "::/0", "nexthop": "10.0.0.1"}]}),
        (400, "InvalidInput", {"colour": "blue"}),
        (400, "InvalidInput", {"name": "a\0b"}),
        (400, "InvalidInput", {"name": "x" * 256}),
        (400, "InvalidAllocationPool", {"allocation_pools": [_pool("9", "8")]}),
        (400, "OutOfBoundsAllocationPool", {"allocation_pools": [_pool("9", "255")]}),
        (
            409,
            "OverlappingAllocationPools",
            {"allocation_pools": [_pool("9", "20"), _pool("20", "30")]},
        ),
        (409, "GatewayConflictWithAllocationPools", {"allocation_pools": [_pool("1", "8")]}),
        (404, "NetworkNotFound", {"network_id": "unknown"}),
    ],
)
def test_a_bad_subnet_is_refused_by_name(
    mine: Neutron, status: int, kind: str, fields: dict[str, Any]
) -> None:
    network, _ = mine.network(None)
    wish = {"network_id": network, "cidr": "10.0.0.0/24", "ip_version": 4, **fields}
    assert mine.refused(status, "POST", "/subnets", {"subnet": wish})["type"] == kind
    assert mine.list("subnet") == []


def test_subnets_of_a_network_do_not_overlap_and_others_may(mine: Neutron) -> None:
    network, _ = mine.network("10.0.0.0/24")
    for cidr in ("10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/16"):
        wish = {"subnet": {"network_id": network, "cidr": cidr, "ip_version": 4}}
        assert "overlaps" in mine.refused(400, "POST", "/subnets", wish)["message"]
    mine.network("10.0.0.0/24")


def test_addresses_are_chosen_from_the_pools_in_turn(mine: Neutron) -> None:
    network, _ = mine.network(None)
    mine.create(
        "subnet",
        network_id=network,
        cidr="10.0.0.0/24",
        ip_version=4,
        allocation_pools=[_pool("10", "11"), _pool("20", "20")],
    )
    ports = [mine.create("port", network_id=network) for _ in range(3)]
    chosen = [port["fixed_ips"][0]["ip_address"] for port in ports]
    assert chosen == ["10.0.0.10", "10.0.0.11", "10.0.0.20"]
    said = mine.refused(409, "POST", "/ports", {"port": {"network_id": network}})
    assert said["type"] == "IpAddressGenerationFailure"
    mine.delete("port", ports[0]["id"])
    again = mine.create("port", network_id=network)
    assert again["fixed_ips"][0]["ip_address"] == "10.0.0.10"
    outside_pools = [{"ip_address": "10.0.0.200"}]
    mine.create("port", network_id=network, fixed_ips=outside_pools)


@pytest.mark.parametrize(
    ("status", "kind", "fixed"),
    [
        (409, "IpAddressAlreadyAllocated", {"ip_address": "10.0.0.5"}),
        (400, "InvalidIpForNetwork", {"ip_address": "10.9.9.9"}),
        (400, "InvalidIpForSubnet", {"ip_address": "10.0.0.255"}),
        (400, "InvalidInput", {"ip_address": "10.0.0"}),
        (400, "InvalidInput", {"subnet_id": "unknown"}),
        (400, "InvalidInput", {}),
    ],
)
def test_an_address_that_cannot_be_had_is_refused_by_name(
    mine: Neutron, status: int, kind: str, fixed: dict[str, str]
) -> None:
    network, _ = mine.network()
    mine.create("port", network_id=network, fixed_ips=[{"ip_address": "10.0.0.5"}])
    wish = {"port": {"network_id": network, "fixed_ips": [fixed]}}
    assert mine.refused(status, "POST", "/ports", wish)["type"] == kind


def test_a_port_has_an_address_of_each_version(mine: Neutron) -> None:
    network, _ = mine.network()
    mine.create("subnet", network_id=network, cidr="fd00::/48", ip_version=6)
    port = mine.create("port", network_id=network)
    assert [ip["ip_address"] for ip in port["fixed_ips"]] == ["10.0.0.2", "fd00::2"]
    far = "fd00::ffff:ffff:ffff:ffff:fffe"
    other = mine.create("port", network_id=network, fixed_ips=[{"ip_address": far}])
    assert other["fixed_ips"][0]["ip_address"] == far


def test_a_gateway_changes_while_nobody_has_it(mine: Neutron) -> None:
    network, subnet = mine.network()
    small = [_pool("100", "200")]
    assert mine.update("subnet", subnet, allocation_pools=small)["allocation_pools"] == small
    assert mine.update("subnet", subnet, gateway_ip="10.0.0.7")["gateway_ip"] == "10.0.0.7"
    taken = {"subnet": {"gateway_ip": "10.0.0.150"}}
    said = mine.refused(409, "PUT", f"/subnets/{subnet}", taken)
    assert said["type"] == "GatewayConflictWithAllocationPools"
    mine.add(mine.create("router")["id"], subnet_id=subnet)
    said = mine.refused(409, "PUT", f"/subnets/{subnet}", {"subnet": {"gateway_ip": None}})
    assert said["type"] == "GatewayIpInUse"
    assert mine.refused(409, "DELETE", f"/subnets/{subnet}")["type"] == "SubnetInUse"
    assert mine.refused(409, "DELETE", f"/networks/{network}")["type"] == "NetworkInUse"


def test_a_range_and_an_owner_never_change(mine: Neutron) -> None:
    _, subnet = mine.network()
    for change in ({"cidr": "10.0.0.0/25"}, {"project_id": "x"}, {"tenant_id": "x"}):
        mine.refused(400, "PUT", f"/subnets/{subnet}", {"subnet": change})


def test_several_are_made_or_none(mine: Neutron) -> None:
    network, _ = mine.network(None)
    wishes = [{"network_id": network, "cidr": f"10.0.{n}.0/24", "ip_version": 4} for n in range(3)]
    mine.refused(400, "POST", "/subnets", {"subnets": [*wishes, wishes[0]]})
    assert mine.list("subnet") == []
    answer = mine.call("POST", "/subnets", {"subnets": wishes})
    assert [row["cidr"] for row in answer.json()["subnets"]] == [w["cidr"] for w in wishes]
    mine.refused(400, "POST", "/subnets", {})
    mine.refused(400, "POST", "/subnets", {"subnet": wishes[0], "subnets": wishes})
