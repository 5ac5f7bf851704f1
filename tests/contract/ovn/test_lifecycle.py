"""A whole document against a real northbound database: made, kept, changed, taken away."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.contract.ovn.servers import Northbound, entry, outcomes
from tests.support.network_documents import (
    EXTERNAL,
    FLOATING_IP,
    GROUP,
    PORT_1,
    PRIVATE,
    PRIVATE_SUBNET,
    ROUTER,
    ROUTER_INSIDE,
    all_removed,
    cloud,
    document,
    floating_ip,
    network,
    port,
    removed,
    router,
    rule,
    security_group,
    subnet,
)

REFERENCE = Path(__file__).parents[3] / "docs/reference/documents"
RESULT = jsonschema.Draft202012Validator(json.loads((REFERENCE / "result.schema.json").read_text()))


def test_everything_is_made_kept_and_taken_away(northbound: Northbound) -> None:
    empty = northbound.dump()

    made = northbound.converge(cloud())
    RESULT.validate(made)
    assert set(outcomes(made).values()) == {"changed"}
    assert all(one["found"].get("present", True) for one in made["resources"])
    whole = northbound.dump()

    again = northbound.converge(cloud("all"))
    RESULT.validate(again)
    assert again["changed"] is False
    assert again["unknown"] == []
    assert northbound.dump() == whole

    gone = northbound.converge(all_removed(cloud()))
    RESULT.validate(gone)
    assert set(outcomes(gone).values()) == {"changed"}
    assert northbound.dump() == empty

    assert northbound.converge(all_removed(cloud()))["changed"] is False


def test_check_mode_says_the_steps_and_takes_none(northbound: Northbound) -> None:
    empty = northbound.dump()
    planned, planned_diff = northbound.converge_with_diff(cloud(), check=True)
    assert northbound.dump() == empty
    done, done_diff = northbound.converge_with_diff(cloud())
    assert [one["steps"] for one in planned["resources"]] == [
        one["steps"] for one in done["resources"]
    ]
    assert planned_diff == done_diff
    json.dumps(done_diff)
    planned = northbound.converge(all_removed(cloud()), check=True)
    assert set(outcomes(planned).values()) == {"changed"}
    assert northbound.converge(cloud())["changed"] is False


def test_the_order_in_the_document_does_not_matter(northbound: Northbound) -> None:
    ordered = cloud()
    turned = {
        name: value[::-1] if isinstance(value, list) else value
        for name, value in reversed(ordered.items())
    }
    northbound.converge(turned)
    assert northbound.converge(ordered)["changed"] is False


def test_the_document_can_come_one_resource_at_a_time(northbound: Northbound) -> None:
    whole = cloud()
    for section, entries in whole.items():
        for one in entries if isinstance(entries, list) else ():
            result = northbound.converge(document(**{section: [one]}))
            assert outcomes(result) == {one["id"]: "changed"}
    assert northbound.converge(whole)["changed"] is False


def test_what_others_made_is_left_alone(northbound: Northbound) -> None:
    northbound.converge(cloud())
    row = [["_uuid", "==", ["uuid", PRIVATE]]]
    foreign = {"name": "an-operators-port", "type": "localport"}
    northbound.edit(
        {"op": "insert", "table": "Logical_Switch_Port", "uuid-name": "p", "row": foreign},
        {
            "op": "mutate",
            "table": "Logical_Switch",
            "where": row,
            "mutations": [
                ["ports", "insert", ["named-uuid", "p"]],
                ["external_ids", "insert", ["map", [["operator", "was here"]]]],
            ],
        },
        {
            "op": "mutate",
            "table": "Logical_Switch_Port",
            "where": [["_uuid", "==", ["uuid", PORT_1]]],
            "mutations": [["options", "insert", ["map", [["qos_max_rate", "1000000"]]]]],
        },
    )
    before = northbound.dump()
    result = northbound.converge(cloud("all"))
    assert result["changed"] is False
    assert result["unknown"] == []
    assert northbound.dump() == before

    # Nor does the switch go from under the operator's port.
    result = northbound.converge(all_removed(cloud()))
    assert entry(result, PRIVATE)["outcome"] == "pending"
    names = [one["name"] for one in northbound.rows("Logical_Switch_Port")]
    assert names == ["an-operators-port"]


def test_what_is_not_named_is_reported_and_kept(northbound: Northbound) -> None:
    northbound.converge(cloud())
    result = northbound.converge(document("all", networks=[network()]))
    assert {"type": "port", "id": PORT_1} in result["unknown"]
    assert {"type": "router", "id": ROUTER} in result["unknown"]
    assert {"type": "network", "id": EXTERNAL} in result["unknown"]
    assert {"type": "network", "id": PRIVATE} not in result["unknown"]
    assert len(result["unknown"]) == 8
    assert northbound.converge(cloud())["changed"] is False


def test_a_resource_waits_for_what_it_needs_and_the_others_go_on(northbound: Northbound) -> None:
    result = northbound.converge(
        document(subnets=[subnet()], ports=[port()], routers=[router()], floating_ips=[])
    )
    waiting = entry(result, PORT_1)
    assert waiting["outcome"] == "pending"
    assert waiting["found"] == {"up": False, "waiting_for": f"network {PRIVATE}"}
    assert entry(result, ROUTER)["outcome"] == "pending"
    assert entry(result, ROUTER)["found"]["present"] is True

    result = northbound.converge(document(networks=[network()], ports=[port()]))
    assert entry(result, PORT_1)["outcome"] == "pending"
    assert entry(result, PORT_1)["found"]["waiting_for"] == f"security group {GROUP}"
    assert northbound.rows("Logical_Switch_Port")

    northbound.converge(cloud())
    assert northbound.converge(cloud())["changed"] is False
    assert set(outcomes(northbound.converge(cloud())).values()) == {"unchanged"}


@pytest.mark.parametrize(
    ("section", "id_", "kept"),
    [
        ("networks", PRIVATE, "ports"),
        ("networks", EXTERNAL, "routers"),
        ("security_groups", GROUP, "ports"),
        ("routers", ROUTER, "floating_ips"),
    ],
)
def test_what_is_in_use_is_not_removed(
    northbound: Northbound, section: str, id_: str, kept: str
) -> None:
    northbound.converge(cloud())
    before = northbound.dump()
    result = northbound.converge(document(**{section: [removed(id_)]}))
    assert outcomes(result) == {id_: "pending"}
    assert "removed first" in result["resources"][0]["found"]["waiting_for"]
    assert northbound.dump() == before


def test_a_router_that_must_stay_keeps_its_network(northbound: Northbound) -> None:
    northbound.converge(cloud())
    before = northbound.dump()
    result = northbound.converge(document(networks=[removed(EXTERNAL)], routers=[removed(ROUTER)]))
    assert set(outcomes(result).values()) == {"pending"}
    assert northbound.dump() == before


def test_one_wrong_resource_stops_no_other(northbound: Northbound) -> None:
    whole = cloud()
    whole["ports"][0]["mac"] = "not a mac"
    whole["security_groups"].append(
        security_group(
            "00039900-0000-4000-8000-000000000000",
            rules=[
                {
                    **whole["security_groups"][0]["rules"][0],
                    "id": "00399900-0000-4000-8000-000000000000",
                    "remote_ip_prefix": "0.0.0.0/0 || ip",
                }
            ],
        )
    )
    result = northbound.converge(whole)
    bad = entry(result, PORT_1)
    assert bad["outcome"] == "failed"
    assert bad["error"]["code"] == "VALUE_INVALID"
    assert bad["error"]["message"].startswith("mac ")
    assert list(outcomes(result).values()).count("failed") == 2
    assert list(outcomes(result).values()).count("changed") == len(result["resources"]) - 2


def test_what_the_server_refuses_stops_no_other(northbound: Northbound) -> None:
    """Port names are unique in OVN: a stranger's port of the same name makes ours impossible."""
    northbound.converge(document(networks=[network()]))
    row = {"name": PORT_1}
    northbound.edit(
        {"op": "insert", "table": "Logical_Switch_Port", "uuid-name": "p", "row": row},
        {
            "op": "mutate",
            "table": "Logical_Switch",
            "where": [["_uuid", "==", ["uuid", PRIVATE]]],
            "mutations": [["ports", "insert", ["named-uuid", "p"]]],
        },
    )
    result = northbound.converge(cloud())
    assert entry(result, PORT_1)["outcome"] == "failed"
    assert entry(result, PORT_1)["error"]["code"] == "OVN_REFUSED"
    assert PORT_1 in entry(result, PORT_1)["error"]["message"]
    others = {id_: one for id_, one in outcomes(result).items() if id_ not in (PORT_1, PRIVATE)}
    assert set(others.values()) == {"changed"}


def test_a_floating_ip_comes_and_goes_with_its_association(northbound: Northbound) -> None:
    northbound.converge(cloud())
    free = floating_ip(router_id=None, fixed_ip=None, port_id=None)
    result = northbound.converge(document(floating_ips=[free]))
    assert result["resources"][0]["found"] == {"present": False}
    assert [row["type"] for row in northbound.rows("NAT")] == ["snat"]
    assert northbound.converge(document(floating_ips=[free]))["changed"] is False
    result = northbound.converge(document(floating_ips=[floating_ip()]))
    assert outcomes(result) == {FLOATING_IP: "changed"}


def test_the_document_for_everybody_is_what_the_builders_say() -> None:
    folder = Path(__file__).parents[2] / "support/documents"
    assert json.loads((folder / "network.json").read_text()) == cloud()
    assert json.loads((folder / "network-removed.json").read_text()) == all_removed(cloud())


def test_what_another_took_over_is_not_taken_away(northbound: Northbound) -> None:
    """The new router's document comes first; then the old one's, that no longer has the port."""
    northbound.converge(cloud())
    other = "00051100-0000-4000-8000-000000000000"
    new = document(routers=[router(other, gateway=None)])
    northbound.converge(new)
    northbound.converge(document(routers=[router(interfaces=[])]))
    assert northbound.converge(new)["changed"] is False
    names = {row["name"] for row in northbound.rows("Logical_Switch_Port")}
    assert ROUTER_INSIDE in names

    # Nor does a port's own document touch it, while a router has it.
    for one in (port(ROUTER_INSIDE, "10.10.1.1"), removed(ROUTER_INSIDE)):
        result = northbound.converge(document(ports=[one]))
        assert outcomes(result) == {ROUTER_INSIDE: "unchanged"}
    assert northbound.converge(new)["changed"] is False


def test_a_wrong_rule_is_left_out_and_the_groups_others_hold(northbound: Northbound) -> None:
    """OVN has no ports for DCCP; that must not hold back the rule that the tenant makes next."""
    wrong = rule(1, protocol="dccp", port_range_min=1, port_range_max=2)
    result = northbound.converge(document(security_groups=[security_group(rules=[wrong, rule(2)])]))
    assert outcomes(result) == {GROUP: "failed"}
    assert "rules[0]" in result["resources"][0]["error"]["message"]
    assert [row["_uuid"][1] for row in northbound.rows("ACL")] == [rule(2)["id"]]
    result = northbound.converge(document(ports=[port()], networks=[network()]))
    assert entry(result, PORT_1)["found"]["waiting_for"] == f"subnet {PRIVATE_SUBNET}"
