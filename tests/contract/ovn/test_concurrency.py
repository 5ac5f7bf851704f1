"""Changes that happen between looking and acting are neither lost nor overwritten unseen."""

from __future__ import annotations

import json
import threading
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    Document,
    read_document,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.sections import SECTIONS
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.target import NetworkTarget

from tests.contract.ovn.servers import Northbound, outcomes
from tests.support.network_documents import (
    PORT_1,
    PORT_2,
    PRIVATE,
    all_removed,
    cloud,
    document,
    network,
    port,
    removed,
    uuid,
)


def parsed(wanted: dict[str, Any]) -> Document:
    return read_document(json.dumps(wanted), "network", SECTIONS)


def apply_late(northbound: Northbound, wanted: dict[str, Any], meanwhile: dict[str, Any]) -> Any:
    """Look and plan, let somebody else converge ``meanwhile``, then apply the old plan."""
    late = parsed(wanted)
    with northbound.client() as client:
        target = NetworkTarget(client)
        seen = target.observe(late)
        northbound.converge(meanwhile)
        return target.apply(late, target.plan(late, seen), seen)


def test_the_same_document_twice_at_once(northbound: Northbound) -> None:
    applied = apply_late(northbound, cloud(), meanwhile=cloud())
    assert applied.errors == {}
    assert applied.done == {}
    assert northbound.converge(cloud())["changed"] is False


def test_a_change_in_between_is_seen_and_the_document_wins(northbound: Northbound) -> None:
    northbound.converge(cloud())
    applied = apply_late(
        northbound,
        document(ports=[port(host="hv3")]),
        meanwhile=document(ports=[port(host="hv2", admin_state_up=False)]),
    )
    assert sorted(applied.done["port", PORT_1]) == [
        f"set enabled of switch port {PORT_1}",
        f"set options of switch port {PORT_1}",
    ]
    assert northbound.converge(document(ports=[port(host="hv3")]))["changed"] is False


def test_a_port_is_not_made_on_a_network_that_just_went(northbound: Northbound) -> None:
    northbound.converge(document(networks=[network()]))
    applied = apply_late(
        northbound,
        document(ports=[port(security_groups=[])]),
        meanwhile=document(networks=[removed(PRIVATE)]),
    )
    assert applied.done == {}
    result = northbound.converge(document(ports=[port(security_groups=[])]))
    assert outcomes(result) == {PORT_1: "pending"}
    assert northbound.rows("Logical_Switch_Port") == []


def test_a_network_does_not_go_from_under_a_port_that_just_came(northbound: Northbound) -> None:
    northbound.converge(document(networks=[network()]))
    applied = apply_late(
        northbound,
        document(networks=[removed(PRIVATE)]),
        meanwhile=document(ports=[port(security_groups=[])]),
    )
    assert applied.done == {}
    assert [row["name"] for row in northbound.rows("Logical_Switch_Port")] == [PORT_1]


def test_the_group_that_drops_stays_for_a_port_that_just_came(northbound: Northbound) -> None:
    open_port = {"security_groups": [], "fixed_ips": []}
    northbound.converge(document(networks=[network()], ports=[port(**open_port)]))
    applied = apply_late(
        northbound,
        document(ports=[removed(PORT_1)]),
        meanwhile=document(ports=[port(PORT_2, "10.10.1.12", **open_port)]),
    )
    assert applied.done["port", PORT_1] == [f"remove switch port {PORT_1}"]
    groups = northbound.rows("Port_Group")
    assert [(row["name"], row["ports"]) for row in groups] == [
        ("freehold_pg_drop", ["uuid", PORT_2])
    ]


def test_many_writers_at_once_lose_nothing(northbound: Northbound) -> None:
    empty = northbound.dump()
    northbound.converge(cloud())
    ports = [uuid(0x9000 + number) for number in range(24)]
    results: list[dict[str, Any]] = []

    def write(mine: list[str]) -> None:
        for number, id_ in enumerate(mine):
            one = port(id_, f"10.10.1.{100 + number}")
            results.append(northbound.converge(document(ports=[one])))

    threads = [threading.Thread(target=write, args=(ports[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 24
    assert {next(iter(outcomes(result).values())) for result in results} == {"changed"}
    northbound.converge(document(ports=[removed(id_) for id_ in ports]))
    northbound.converge(all_removed(cloud()))
    assert northbound.dump() == empty
