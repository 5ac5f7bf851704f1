"""What the machine is told: of the form that it accepts, whole, and no more than what changed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from freehold.hosts import HostWish, register
from freehold.jobs import Scope, Target
from freehold.store import utc_now
from tests.api.network.machine import TYPES, converge, document, kind, told
from tests.api.network.neutron import Neutron, neutron, outside
from tests.support.service import Service, admin

HOSTILE = "{{ lookup('pipe', 'touch /tmp/owned') }}"


@pytest.fixture
def mine(alone: Service) -> Neutron:
    return neutron(alone)


def _hosts(service: Service, *names: str) -> None:
    with service.store.write() as session:
        for name in names:
            register(session, name, HostWish(), utc_now())


def _cloud(service: Service, mine: Neutron) -> dict[str, str]:
    """A tenant's network behind a router with a floating IP."""
    external, external_subnet = outside(service)
    network, subnet = mine.network("10.10.1.0/24", name=HOSTILE)
    router = mine.create("router", external_gateway_info={"network_id": external})["id"]
    inside = mine.add(router, subnet_id=subnet)["port_id"]
    port = mine.create("port", network_id=network)["id"]
    floating = mine.create("floatingip", floating_network_id=external, port_id=port)["id"]
    return {
        "external": external,
        "external_subnet": external_subnet,
        "network": network,
        "subnet": subnet,
        "router": router,
        "inside": inside,
        "port": port,
        "floating": floating,
    }


def test_the_whole_picture_is_told(alone: Service, mine: Neutron) -> None:
    _hosts(alone, "hv1", "hv2")
    ids = _cloud(alone, mine)
    whole = document(alone)
    assert whole is not None
    by_id: dict[str, Any] = {e["id"]: e for section in TYPES for e in whole[section]}
    assert by_id[ids["network"]]["name"] == HOSTILE
    assert by_id[ids["network"]]["mtu"] == 1450
    assert by_id[ids["external"]]["physical_network"] == "physnet1"
    subnet = by_id[ids["subnet"]]
    assert (subnet["cidr"], subnet["gateway_ip"], subnet["mtu"]) == (
        "10.10.1.0/24",
        "10.10.1.1",
        1450,
    )
    router = by_id[ids["router"]]
    (interface,) = router["interfaces"]
    assert (interface["port_id"], interface["addresses"]) == (ids["inside"], ["10.10.1.1/24"])
    gateway = router["gateway"]
    assert gateway["addresses"] == ["203.0.113.2/24"]
    assert (gateway["next_hops"], gateway["snat_ip"]) == (["203.0.113.1"], "203.0.113.2")
    assert gateway["snat_cidrs"] == ["10.10.1.0/24"]
    assert sorted(router["gateway_hosts"]) == ["hv1", "hv2"]
    (group,) = whole["security_groups"]
    rules = {
        (rule["direction"], rule["ethertype"], rule["remote_group_id"] == group["id"])
        for rule in group["rules"]
    }
    assert rules == {
        ("egress", "IPv4", False),
        ("egress", "IPv6", False),
        ("ingress", "IPv4", True),
        ("ingress", "IPv6", True),
    }
    port = by_id[ids["port"]]
    assert port["security_groups"] == [group["id"]]
    assert [p["id"] for p in whole["ports"]] == [ids["port"]]
    floating = by_id[ids["floating"]]
    assert (floating["router_id"], floating["port_id"]) == (ids["router"], ids["port"])
    assert floating["fixed_ip"] == port["fixed_ips"][0]["ip_address"]


def test_what_is_settled_is_told_only_when_all_is_asked(alone: Service, mine: Neutron) -> None:
    _cloud(alone, mine)
    assert converge(alone)
    assert document(alone) is None
    everything = document(alone, Scope.ALL)
    assert everything is not None
    assert [len(everything[section]) for section in TYPES] == [2, 2, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("kind_", "key", "change", "told_of"),
    [
        ("network", "network", {"name": "other"}, ["networks"]),
        ("network", "network", {"description": "only words"}, []),
        ("network", "network", {"name": HOSTILE}, []),
        ("subnet", "subnet", {"dns_nameservers": ["9.9.9.9"]}, ["subnets"]),
        ("subnet", "subnet", {"name": "only a name"}, []),
        ("port", "port", {"name": "only a name"}, []),
        ("port", "port", {"admin_state_up": False}, ["ports"]),
        ("port", "port", {"security_groups": []}, ["ports"]),
        ("port", "inside", {"fixed_ips": [{"ip_address": "10.10.1.9"}]}, ["routers"]),
        ("router", "router", {"admin_state_up": False}, ["routers"]),
        ("router", "router", {"description": "only words"}, []),
        ("floatingip", "floating", {"description": "only words"}, []),
        ("floatingip", "floating", {"port_id": None}, ["floating_ips"]),
    ],
)
def test_a_change_tells_of_itself_and_of_nothing_else(
    alone: Service,
    mine: Neutron,
    kind_: str,
    key: str,
    change: dict[str, Any],
    told_of: list[str],
) -> None:
    ids = _cloud(alone, mine)
    converge(alone)
    mine.update(kind_, ids[key], **change)
    whole = document(alone)
    assert [s for s in TYPES if whole and whole[s]] == told_of


def test_a_rule_is_told_with_its_group(alone: Service, mine: Neutron) -> None:
    group = mine.create("security_group", name="web")["id"]
    converge(alone)
    mine.create(
        "security_group_rule",
        security_group_id=group,
        direction="ingress",
        protocol="tcp",
        port_range_min=22,
        port_range_max=22,
        remote_ip_prefix="10.1.2.3/8",
    )
    (entry,) = told(alone, "security_groups").values()
    (rule,) = [rule for rule in entry["rules"] if rule["protocol"] == "tcp"]
    assert (rule["port_range_min"], rule["remote_ip_prefix"]) == (22, "10.0.0.0/8")


def test_another_gateway_outside_is_the_routers_next_hop(alone: Service, mine: Neutron) -> None:
    ids = _cloud(alone, mine)
    converge(alone)
    operator = neutron(alone, admin())
    operator.update(
        "subnet",
        ids["external_subnet"],
        gateway_ip="203.0.113.254",
        allocation_pools=[{"start": "203.0.113.2", "end": "203.0.113.250"}],
    )
    assert told(alone, "routers")[ids["router"]]["gateway"]["next_hops"] == ["203.0.113.254"]


def test_routers_follow_the_hosts_that_are_there(alone: Service, mine: Neutron) -> None:
    _hosts(alone, "hv1")
    ids = _cloud(alone, mine)
    converge(alone)
    for names, expected in ((["hv2"], ["hv1", "hv2"]), ([], None)):
        _hosts(alone, *names)
        with alone.store.write() as session:
            kind(alone).expire(session, utc_now())
        entry = told(alone, "routers").get(ids["router"])
        assert (sorted(entry["gateway_hosts"]) if entry else None) == expected
        converge(alone)


def test_everything_can_be_taken_away_again(alone: Service, mine: Neutron) -> None:
    ids = _cloud(alone, mine)
    converge(alone)
    mine.delete("floatingip", ids["floating"])
    mine.call(
        "PUT", f"/routers/{ids['router']}/remove_router_interface", {"subnet_id": ids["subnet"]}
    )
    mine.delete("router", ids["router"])
    mine.delete("port", ids["port"])
    mine.delete("network", ids["network"])
    whole = document(alone)
    assert whole is not None
    gone = {e["id"] for section in TYPES for e in whole[section] if e["state"] == "removed"}
    assert gone == {ids[key] for key in ("floating", "router", "port", "network", "subnet")}
    assert converge(alone)
    everything = document(alone, Scope.ALL)
    assert everything is not None
    left = {section: len(everything[section]) for section in TYPES if everything[section]}
    assert left == {"networks": 1, "subnets": 1, "security_groups": 1}


def test_a_change_wants_the_target_in_its_own_transaction(alone: Service, mine: Neutron) -> None:
    mine.create("network")
    with alone.store.read() as session:
        before = session.get_one(Target, ("network", "ovn")).wanted
    mine.refused(400, "POST", "/networks", {"networks": [{}, {"mtu": 1451}]})
    with alone.store.read() as session:
        assert session.get_one(Target, ("network", "ovn")).wanted == before
    assert len(mine.list("network")) == 1


def test_the_document_of_one_port_does_not_read_the_others(alone: Service, mine: Neutron) -> None:
    network, _ = mine.network()
    mine.call("POST", "/ports", {"ports": [{"network_id": network}] * 100})
    converge(alone)
    port = mine.create("port", network_id=network)["id"]
    fetched = 0

    def count(row: Any, _context: Any) -> None:
        nonlocal fetched
        fetched += 1

    from freehold.network.port import Port

    event.listen(Port, "load", count)
    try:
        assert list(told(alone, "ports")) == [port]
    finally:
        event.remove(Port, "load", count)
    assert fetched == 1
