"""Subnet pools: what subnets are cut from, and what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.network.neutron import Neutron, neutron
from tests.support.service import Service, admin


@pytest.fixture
def mine(service: Service) -> Neutron:
    return neutron(service)


def _pool(mine: Neutron, *prefixes: str, **fields: object) -> str:
    return str(mine.create("subnetpool", prefixes=list(prefixes), **fields)["id"])


def _cut(mine: Neutron, pool: str, **fields: object) -> str:
    network = mine.create("network")["id"]
    wish = {"network_id": network, "ip_version": 4, "subnetpool_id": pool, **fields}
    subnet = mine.create("subnet", **wish)
    assert subnet["subnetpool_id"] == pool
    return str(subnet["cidr"])


def _refused(mine: Neutron, status: int, **fields: object) -> str:
    network = mine.create("network")["id"]
    wish = {"network_id": network, "ip_version": 4, **fields}
    return mine.refused(status, "POST", "/subnets", {"subnet": wish})["type"]


def test_a_pool_is_shown_with_what_was_not_said(mine: Neutron) -> None:
    pool = mine.create("subnetpool", name="p", prefixes=["10.1.0.0/16", "10.0.0.0/16"])
    # Prefixes that lie side by side are one.
    assert pool["prefixes"] == ["10.0.0.0/15"]
    lengths = [pool[f"{name}_prefixlen"] for name in ("min", "default", "max")]
    assert lengths == [8, 8, 32]
    assert (pool["ip_version"], pool["shared"], pool["is_default"]) == (4, False, False)
    assert mine.show("subnetpool", pool["id"]) == pool
    assert [row["id"] for row in mine.list("subnetpool", name="p")] == [pool["id"]]


def test_subnets_are_cut_side_by_side_and_given_back(mine: Neutron) -> None:
    pool = _pool(mine, "10.0.0.0/24", default_prefixlen=26)
    cidrs = [_cut(mine, pool), _cut(mine, pool), _cut(mine, pool, prefixlen=27)]
    assert cidrs == ["10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/27"]
    # The smallest gap that fits is taken, so that large ones stay whole.
    assert _cut(mine, pool, prefixlen=28) == "10.0.0.160/28"
    assert _cut(mine, pool, cidr="10.0.0.192/26") == "10.0.0.192/26"
    assert _refused(mine, 409, subnetpool_id=pool) == "SubnetAllocationError"
    (first,) = mine.list("subnet", subnetpool_id=pool, cidr="10.0.0.0/26")
    mine.delete("subnet", first["id"])
    assert _cut(mine, pool) == "10.0.0.0/26"


@pytest.mark.parametrize(
    ("status", "kind", "fields"),
    [
        (400, "SubnetAllocationError", {"cidr": "10.1.0.0/24"}),
        (409, "SubnetAllocationError", {"cidr": "10.0.0.0/25"}),
        (400, "MinPrefixSubnetAllocationError", {"prefixlen": 16}),
        (400, "MaxPrefixSubnetAllocationError", {"prefixlen": 31}),
        (400, "InvalidInput", {"ip_version": 6}),
        (400, "InvalidInput", {"cidr": "10.0.0.0/24", "prefixlen": 24}),
        (400, "InvalidInput", {"use_default_subnetpool": True}),
    ],
)
def test_what_a_pool_does_not_give_is_refused(
    mine: Neutron, status: int, kind: str, fields: dict[str, object]
) -> None:
    pool = _pool(mine, "10.0.0.0/20", min_prefixlen=24, max_prefixlen=28)
    _cut(mine, pool, cidr="10.0.0.0/24")
    assert _refused(mine, status, subnetpool_id=pool, **fields) == kind


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("PrefixVersionMismatch", {"prefixes": ["10.0.0.0/8", "fd00::/48"]}),
        ("IllegalSubnetPoolPrefixBounds", {"min_prefixlen": 24, "max_prefixlen": 20}),
        ("IllegalSubnetPoolPrefixBounds", {"default_prefixlen": 33}),
        ("InvalidInput", {"prefixes": []}),
        ("InvalidInput", {"prefixes": ["all"]}),
        ("InvalidInput", {"colour": "blue"}),
    ],
)
def test_pools_that_cannot_be_are_refused(
    mine: Neutron, kind: str, fields: dict[str, object]
) -> None:
    wish = {"subnetpool": {"prefixes": ["10.0.0.0/8"], **fields}}
    assert mine.refused(400, "POST", "/subnetpools", wish)["type"] == kind


def test_a_pool_grows_and_does_not_shrink(mine: Neutron) -> None:
    pool = _pool(mine, "10.0.0.0/24")
    grown = mine.update("subnetpool", pool, prefixes=["10.0.0.0/23"], name="big")
    assert (grown["prefixes"], grown["name"]) == (["10.0.0.0/23"], "big")
    less = {"subnetpool": {"prefixes": ["10.0.0.0/24"]}}
    said = mine.refused(400, "PUT", f"/subnetpools/{pool}", less)
    assert said["type"] == "IllegalSubnetPoolPrefixUpdate"


def test_a_pool_in_use_stays(mine: Neutron) -> None:
    pool = _pool(mine, "10.0.0.0/24", default_prefixlen=26)
    _cut(mine, pool)
    assert mine.refused(400, "DELETE", f"/subnetpools/{pool}")["type"] == "SubnetPoolDeleteError"
    (subnet,) = mine.list("subnet", subnetpool_id=pool)
    mine.delete("subnet", subnet["id"])
    mine.delete("subnetpool", pool)
    mine.refused(404, "GET", f"/subnetpools/{pool}")


def test_a_project_gets_its_share_of_a_pool(service: Service, mine: Neutron) -> None:
    operator, other = neutron(service, admin()), neutron(service)
    pool = _pool(operator, "fd00::/48", shared=True, default_quota=2, default_prefixlen=64)
    for cidr in ("fd00::/64", "fd00:0:0:1::/64"):
        assert _cut(mine, pool, ip_version=6) == cidr
    assert _refused(mine, 409, subnetpool_id=pool, ip_version=6) == "OverQuota"
    assert _cut(other, pool, ip_version=6) == "fd00:0:0:2::/64"


def test_the_default_pool_is_the_operators_and_one(service: Service, mine: Neutron) -> None:
    wish = {"subnetpool": {"prefixes": ["10.0.0.0/16"], "is_default": True}}
    mine.refused(403, "POST", "/subnetpools", wish)
    operator = neutron(service, admin())
    usual = {"is_default": True, "shared": True, "default_prefixlen": 26}
    pool = _pool(operator, "10.0.0.0/16", **usual)
    operator.refused(400, "POST", "/subnetpools", wish)
    network = mine.create("network")["id"]
    subnet = mine.create("subnet", network_id=network, ip_version=4, use_default_subnetpool=True)
    assert (subnet["subnetpool_id"], subnet["cidr"]) == (pool, "10.0.0.0/26")


def test_many_at_once_never_share_a_range(mine: Neutron) -> None:
    pool = _pool(mine, "10.0.0.0/24", default_prefixlen=28)
    networks = [mine.create("network")["id"] for _ in range(20)]

    def cut(network: str) -> int:
        wish = {"network_id": network, "ip_version": 4, "subnetpool_id": pool}
        return int(mine.call("POST", "/subnets", {"subnet": wish}).status_code)

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(cut, networks))
    assert sorted(statuses) == [201] * 16 + [409] * 4
    assert len({row["cidr"] for row in mine.list("subnet", subnetpool_id=pool)}) == 16
