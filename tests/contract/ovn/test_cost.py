"""Cost follows the change: a document for one port costs the same in a small and a large cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.document import read_document
from ansible_collections.freehold.cloud.plugins.module_utils.lifecycle import run
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.sections import SECTIONS
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.target import NetworkTarget

from tests.contract.ovn.servers import Northbound
from tests.support.network_documents import cloud, document, floating_ip, port, removed, uuid

NEW, NEW_FLOATING_IP = uuid(0x40000), uuid(0x60000)
MADE = document(
    ports=[port(NEW, "10.10.1.250")],
    floating_ips=[floating_ip(NEW_FLOATING_IP, floating_ip="10.77.0.200", fixed_ip="10.10.1.250")],
)
GONE = document(ports=[removed(NEW)], floating_ips=[removed(NEW_FLOATING_IP)])


def bytes_for(northbound: Northbound, wanted: dict[str, Any]) -> int:
    with northbound.client() as client:
        parsed = read_document(json.dumps(wanted), "network", SECTIONS)
        result, _ = run(parsed, NetworkTarget(client), check=False)
        assert {one["outcome"] for one in result["resources"]} == {"changed"}
        return client.bytes_received


def filler(first: int, last: int) -> dict[str, Any]:
    """Ports on the same network, in the same group, with floating IPs on the same router."""
    numbers = range(first, last)
    return document(
        ports=[port(uuid(0x10000 + n), f"10.{20 + n // 250}.0.{1 + n % 250}") for n in numbers],
        floating_ips=[
            floating_ip(
                uuid(0x20000 + n),
                floating_ip=f"172.16.{n // 250}.{1 + n % 250}",
                fixed_ip=f"10.{20 + n // 250}.0.{1 + n % 250}",
            )
            for n in numbers
        ],
    )


@pytest.mark.timeout(300)
def test_a_port_costs_the_same_among_two_thousand(northbound: Northbound) -> None:
    northbound.converge(cloud())
    northbound.converge(filler(0, 10))
    few = [bytes_for(northbound, MADE), bytes_for(northbound, GONE)]

    northbound.converge(filler(10, 2000))
    assert len(northbound.rows("Logical_Switch_Port")) > 2000
    many = [bytes_for(northbound, MADE), bytes_for(northbound, GONE)]

    assert many == few
    assert max(few) < 16_000
