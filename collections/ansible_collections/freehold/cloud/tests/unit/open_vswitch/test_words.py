"""What ovs-vsctl is told and what it prints."""

from __future__ import annotations

import json

from ansible_collections.freehold.cloud.plugins.module_utils.open_vswitch import (
    Bridge,
    Switch,
    failed_ports,
    read_switch,
    steps,
)

EXTERNAL = Bridge("br-ex", "netdev", "standalone", frozenset({"ext0"}), hwaddr="02:00:00:00:00:01")


def printed(
    bridges: list[list[object]],
    ports: list[list[object]],
    interfaces: list[list[object]],
    settings: list[list[str]],
) -> str:
    """Text as ovs-vsctl --format=json prints it: a table a line, values in OVSDB's notation."""
    tables = (
        (["name", "datapath_type", "fail_mode", "ports", "other_config"], bridges),
        (["_uuid", "name"], ports),
        (["name", "error"], interfaces),
        (["external_ids"], [[["map", settings]]]),
    )
    return "\n".join(json.dumps({"headings": headings, "data": data}) for headings, data in tables)


def test_values_reach_ovsdb_as_strings_whatever_is_in_them() -> None:
    (step,) = steps([], {"ovn-remote": 'tcp:192.0.2.1:6642,"x'}, Switch())
    assert step.arguments[-1] == r'external_ids:ovn-remote="tcp:192.0.2.1:6642,\"x"'


def test_what_the_switch_prints_is_read() -> None:
    text = printed(
        [
            ["br-int", "", ["set", []], ["uuid", "1"], ["map", []]],
            [
                *("br-ex", "netdev", "standalone", ["set", [["uuid", "2"], ["uuid", "3"]]]),
                ["map", [["hwaddr", "02:00:00:00:00:01"]]],
            ],
        ],
        [[["uuid", "1"], "br-int"], [["uuid", "2"], "br-ex"], [["uuid", "3"], "ext0"]],
        [["ext0", "could not open network device ext0"], ["br-ex", ["set", []]]],
        [["system-id", "hv1"]],
    )
    have = read_switch(text)
    assert have.bridges == {"br-int": Bridge("br-int"), "br-ex": EXTERNAL}
    assert have.external_ids == {"system-id": "hv1"}
    assert failed_ports([EXTERNAL], have) == {"ext0": "could not open network device ext0"}
