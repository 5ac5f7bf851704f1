"""What the switch should have, what it has, and the steps between."""

from __future__ import annotations

import json

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.open_vswitch import (
    Bridge,
    Switch,
    SwitchError,
    failed_ports,
    read_switch,
    steps,
)

EXTERNAL = Bridge("br-ex", "netdev", "standalone", frozenset({"ext0"}))


def printed(
    bridges: list[list[object]],
    ports: list[list[object]],
    interfaces: list[list[object]],
    settings: list[list[str]],
) -> str:
    """Text as ovs-vsctl --format=json prints it: a table a line, values in OVSDB's notation."""
    tables = (
        (["name", "datapath_type", "fail_mode", "ports"], bridges),
        (["_uuid", "name"], ports),
        (["name", "error"], interfaces),
        (["external_ids"], [[["map", settings]]]),
    )
    return "\n".join(json.dumps({"headings": headings, "data": data}) for headings, data in tables)


def test_an_empty_switch_gets_bridge_port_and_settings_in_that_order() -> None:
    plan = steps([EXTERNAL], {"ovn-bridge-mappings": "physnet1:br-ex"}, Switch())
    assert [step.sentence for step in plan] == [
        "add bridge br-ex with datapath_type=netdev, fail_mode=standalone",
        "add port ext0 to bridge br-ex",
        "set external id ovn-bridge-mappings to physnet1:br-ex",
    ]


def test_what_is_as_wanted_needs_no_step() -> None:
    have = Switch({"br-ex": EXTERNAL}, {"system-id": "hv1", "hostname": "hv1"})
    assert steps([EXTERNAL], {"system-id": "hv1"}, have) == []


def test_only_what_differs_is_set() -> None:
    have = Switch({"br-ex": Bridge("br-ex", "system", "standalone", frozenset({"ext0"}))})
    (step,) = steps([EXTERNAL], {}, have)
    assert step.arguments == ("set", "Bridge", "br-ex", "datapath_type=netdev")


def test_ports_and_settings_that_nobody_named_stay() -> None:
    have = Switch(
        {"br-ex": Bridge("br-ex", "netdev", "standalone", frozenset({"ext0", "patch-1"}))},
        {"owner": "someone"},
    )
    assert steps([EXTERNAL], {}, have) == []


def test_a_port_of_another_bridge_is_refused_with_the_way_out() -> None:
    have = Switch({"br0": Bridge("br0", ports=frozenset({"ext0"}))})
    with pytest.raises(SwitchError, match="ovs-vsctl del-port br0 ext0"):
        steps([EXTERNAL], {}, have)


def test_values_reach_ovsdb_as_strings_whatever_is_in_them() -> None:
    (step,) = steps([], {"ovn-remote": 'tcp:192.0.2.1:6642,"x'}, Switch())
    assert step.arguments[-1] == r'external_ids:ovn-remote="tcp:192.0.2.1:6642,\"x"'


def test_what_the_switch_prints_is_read() -> None:
    text = printed(
        [
            ["br-int", "", ["set", []], ["uuid", "1"]],
            ["br-ex", "netdev", "standalone", ["set", [["uuid", "2"], ["uuid", "3"]]]],
        ],
        [[["uuid", "1"], "br-int"], [["uuid", "2"], "br-ex"], [["uuid", "3"], "ext0"]],
        [["ext0", "could not open network device ext0"], ["br-ex", ["set", []]]],
        [["system-id", "hv1"]],
    )
    have = read_switch(text)
    assert have.bridges == {"br-int": Bridge("br-int"), "br-ex": EXTERNAL}
    assert have.external_ids == {"system-id": "hv1"}
    assert failed_ports([EXTERNAL], have) == {"ext0": "could not open network device ext0"}
