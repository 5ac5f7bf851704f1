"""Laws that hold for any documents in any order, against a real northbound database."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.ovn.servers import Northbound, ovsdb_server
from tests.support.network_documents import (
    SECTIONS,
    document,
    external_network,
    floating_ip,
    gateway,
    interface,
    network,
    port,
    removed,
    router,
    rule,
    security_group,
    subnet,
    uuid,
)

NETWORKS = [uuid(n) for n in (1, 2)]
SUBNETS = [uuid(n) for n in (11, 12)]
GROUPS = [uuid(n) for n in (21, 22)]
PORTS = [uuid(n) for n in (31, 32, 33)]
ROUTERS = [uuid(n) for n in (41, 42)]
ROUTER_PORTS = [uuid(n) for n in (51, 52, 33)]
FLOATING_IPS = [uuid(n) for n in (61, 62)]
EVERYTHING = dict(
    zip(SECTIONS, [NETWORKS, SUBNETS, GROUPS, PORTS, ROUTERS, FLOATING_IPS], strict=True)
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Northbound]:
    with tempfile.TemporaryDirectory() as folder, ovsdb_server(Path(folder), "ovn-nb") as remotes:
        yield Northbound(remotes["ovn-nb"])


def some(ids: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(ids), unique=True, max_size=len(ids))


@st.composite
def networks(draw: st.DrawFn, id_: str) -> dict[str, Any]:
    builder = draw(st.sampled_from([network, external_network]))
    return builder(id_, name=draw(st.text(max_size=5)), mtu=draw(st.sampled_from([0, 1450, 1500])))


@st.composite
def subnets(draw: st.DrawFn, id_: str) -> dict[str, Any]:
    return subnet(
        id_,
        network_id=draw(st.sampled_from(NETWORKS)),
        enable_dhcp=draw(st.booleans()),
        gateway_ip=draw(st.sampled_from([None, "10.10.1.1"])),
        dns_nameservers=draw(st.sampled_from([[], ["10.0.0.53"]])),
    )


@st.composite
def security_groups(draw: st.DrawFn, id_: str) -> dict[str, Any]:
    first = 0x100 if id_ == GROUPS[0] else 0x200
    rules = [
        rule(
            first + number,
            direction=draw(st.sampled_from(["ingress", "egress"])),
            remote_group_id=draw(st.sampled_from([None, *GROUPS])),
            protocol=draw(st.sampled_from([None, "tcp", "icmp"])),
        )
        for number in draw(st.lists(st.integers(1, 4), unique=True, max_size=4))
    ]
    return security_group(id_, rules=rules, stateful=draw(st.booleans()))


@st.composite
def ports(draw: st.DrawFn, id_: str) -> dict[str, Any]:
    address = f"10.10.1.{draw(st.integers(10, 12))}"
    fixed = {"subnet_id": draw(st.sampled_from(SUBNETS)), "ip_address": address}
    return port(
        id_,
        address,
        network_id=draw(st.sampled_from(NETWORKS)),
        fixed_ips=draw(st.sampled_from([[], [fixed]])),
        security_groups=draw(some(GROUPS)),
        port_security_enabled=draw(st.booleans()),
        host=draw(st.sampled_from([None, "hv1"])),
    )


@st.composite
def routers(draw: st.DrawFn, id_: str) -> dict[str, Any]:
    # The third port is an ordinary one as well: a port that becomes a router's and goes back.
    mine = draw(some(ROUTER_PORTS))
    interfaces = [
        interface(port_id=one, network_id=draw(st.sampled_from(NETWORKS))) for one in mine
    ]
    way_out = gateway(
        port_id=uuid(0x500 + ROUTERS.index(id_)),
        network_id=draw(st.sampled_from(NETWORKS)),
        snat_cidrs=draw(some(["10.10.1.0/24", "10.10.2.0/24"])),
        enable_snat=draw(st.booleans()),
    )
    return router(
        id_,
        interfaces=interfaces,
        gateway=draw(st.sampled_from([None, way_out])),
        gateway_hosts=draw(some(["hv1", "hv2", "hv3"])),
    )


@st.composite
def floating_ips(draw: st.DrawFn, id_: str) -> dict[str, Any]:
    return floating_ip(
        id_,
        router_id=draw(st.sampled_from([None, *ROUTERS])),
        floating_ip=f"10.77.0.{150 + FLOATING_IPS.index(id_)}",
        fixed_ip=draw(st.sampled_from(["10.10.1.11", "10.10.1.12"])),
    )


ENTRIES = dict(
    zip(
        SECTIONS,
        [networks, subnets, security_groups, ports, routers, floating_ips],
        strict=True,
    )
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    sections = {}
    for section, ids in EVERYTHING.items():
        sections[section] = [
            draw(st.one_of(ENTRIES[section](id_), st.just(removed(id_)))) for id_ in draw(some(ids))
        ]
    return document(**sections)


@settings(max_examples=60)
@given(sequence=st.lists(documents(), min_size=1, max_size=5))
def test_any_documents_settle_at_once_and_go_without_a_trace(
    shared: Northbound, sequence: list[dict[str, Any]]
) -> None:
    shared.wipe()
    empty = shared.dump()
    for one in sequence:
        planned = shared.converge(one, check=True)
        done = shared.converge(one)
        assert [entry["steps"] for entry in planned["resources"]] == [
            entry["steps"] for entry in done["resources"]
        ]
        assert all(
            entry["error"] is None or entry["error"]["code"] == "ROW_WANTED_TWICE"
            for entry in done["resources"]
        ), done
        # Once more, and nothing is left to do.
        assert shared.converge(one)["changed"] is False
    everything = {section: [removed(id_) for id_ in ids] for section, ids in EVERYTHING.items()}
    result = shared.converge(document(**everything))
    assert {entry["outcome"] for entry in result["resources"]} <= {"changed", "unchanged"}
    assert shared.dump() == empty
