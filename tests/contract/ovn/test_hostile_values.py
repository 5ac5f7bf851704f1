"""What tenants write is data: stored as it is, or refused, and never read as anything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.ovn.servers import Northbound, entry
from tests.support.network_documents import (
    PRIVATE,
    cloud,
    document,
    network,
    port,
    router,
    rule,
    security_group,
    subnet,
)

PAYLOADS = [
    "{{ lookup('pipe', 'touch /tmp/freehold-was-here') }}",
    "{% for x in range(9) %}x{% endfor %}",
    '", "external_ids": ["map", []], "',
    '["uuid", "00010100-0000-4000-8000-000000000000"]',
    "a\nb\r\tc",
    "'; drop table ports; --",
    "$(reboot) `reboot` ${HOME}",
    "outport == @pg && ip || 1",
    "freehold-links Logical_Switch.ports/a/b",
    "ü€𝄞\u202e\ufeff",
    "",
    "x" * 10_000,
]


def names(northbound: Northbound) -> set[str]:
    tables = ("Logical_Switch", "Port_Group", "Logical_Router")
    ids = [dict(row["external_ids"][1]) for table in tables for row in northbound.rows(table)]
    return {one["freehold-name"] for one in ids if "freehold-name" in one}


def named(name: str) -> dict[str, Any]:
    return document(
        networks=[network(name=name)],
        security_groups=[security_group(name=name)],
        routers=[router(name=name, gateway=None, interfaces=[])],
    )


@pytest.mark.parametrize("name", PAYLOADS)
def test_names_arrive_literally(northbound: Northbound, name: str) -> None:
    result = northbound.converge(named(name))
    assert {one["outcome"] for one in result["resources"]} == {"changed"}
    assert names(northbound) == {name}
    assert all(name not in step for one in result["resources"] for step in one["steps"] if name)
    assert northbound.converge(named(name))["changed"] is False


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800b"])
def test_what_ovsdb_cannot_hold_is_replaced(northbound: Northbound, name: str) -> None:
    """One such character would make the server refuse everybody's changes in the document."""
    northbound.converge(named(name))
    assert names(northbound) == {"a\ufffdb"}
    assert northbound.converge(named(name))["changed"] is False


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(name=st.text(st.characters(), max_size=60))
def test_any_name_leaves_the_document_standing(northbound: Northbound, name: str) -> None:
    result = northbound.converge(named(name))
    assert {one["outcome"] for one in result["resources"]} <= {"changed", "unchanged"}
    assert northbound.converge(named(name))["changed"] is False


EVIL = 'x" || ip4 || inport == "y'
WRONG = [
    pytest.param(section, builder, id=f"{section}: {label}")
    for section, label, builder in [
        ("networks", "physical network", network(physical_network=EVIL)),
        ("networks", "VLAN", network(physical_network="physnet1", vlan_id=5000)),
        ("subnets", "cidr", subnet(cidr=EVIL)),
        ("subnets", "family", subnet(cidr="fd00::/64")),
        ("subnets", "gateway", subnet(gateway_ip="10.10.1.1, evil=1")),
        ("subnets", "mac", subnet(dhcp_server_mac=EVIL)),
        ("subnets", "resolver", subnet(dns_nameservers=["10.0.0.1}"])),
        ("subnets", "route", subnet(host_routes=[{"destination": "0/0", "nexthop": EVIL}])),
        ("ports", "mac", port(mac="fa:16:3e:00:01:0b unknown")),
        ("ports", "address", port(fixed_ips=[{"subnet_id": PRIVATE, "ip_address": EVIL}])),
        (
            "ports",
            "pair",
            port(allowed_address_pairs=[{"ip_address": "fe80::1%a b", "mac_address": ""}]),
        ),
        ("ports", "host", port(host="hv1,hv2 evil")),
        ("routers", "route", router(routes=[{"destination": "::/0", "nexthop": "10.0.0.1"}])),
        ("routers", "gateway host", router(gateway_hosts=[EVIL])),
        ("security_groups", "prefix", security_group(rules=[rule(1, remote_ip_prefix=EVIL)])),
        ("security_groups", "protocol", security_group(rules=[rule(1, protocol=EVIL)])),
        ("security_groups", "number", security_group(rules=[rule(1, protocol="256")])),
        ("security_groups", "digits", security_group(rules=[rule(1, protocol="²")])),
        (
            "security_groups",
            "range",
            security_group(rules=[rule(1, protocol="tcp", port_range_min=9, port_range_max=1)]),
        ),
        (
            "security_groups",
            "ports of any protocol",
            security_group(rules=[rule(1, port_range_min=1, port_range_max=2)]),
        ),
        (
            "security_groups",
            "icmp code",
            security_group(rules=[rule(1, protocol="icmp", port_range_max=2)]),
        ),
        ("security_groups", "doubled rule", security_group(rules=[rule(1), rule(1)])),
    ]
]


@pytest.mark.parametrize(("section", "wrong"), WRONG)
def test_a_wrong_value_is_refused_by_name_and_not_repeated(
    northbound: Northbound, section: str, wrong: dict[str, Any]
) -> None:
    northbound.converge(cloud())
    before = northbound.dump()
    result = northbound.converge(document(**{section: [wrong]}))
    refused = entry(result, wrong["id"])
    assert refused["outcome"] == "failed"
    assert refused["error"]["retry"] == "when_changed"
    assert refused["error"]["code"] in ("VALUE_INVALID", "ROW_WANTED_TWICE")
    assert EVIL not in refused["error"]["message"]
    if section == "security_groups" and wrong["rules"][0] not in wrong["rules"][1:]:
        # The wrong rule is left out; nothing of it may be anywhere.
        assert not any(EVIL in row for rows in northbound.dump().values() for row in rows)
        assert len(northbound.rows("ACL")) == 4
    else:
        assert northbound.dump() == before
