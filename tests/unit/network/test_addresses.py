"""Properties of ranges, pools and the choice of addresses, on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netaddr import IPAddress, IPNetwork, IPRange, IPSet
from sqlalchemy import delete

from freehold.errors import BadRequest, Conflict
from freehold.network.address import Address, allocate
from freehold.network.network import Network
from freehold.network.port import Port
from freehold.network.subnet_range import (
    parse_address,
    parse_cidr,
    parse_network,
    pools_of,
    usual_gateway,
    usual_pools,
)
from freehold.store import Base, Store, new_id
from tests.support.database import fresh

VERSION_4 = (
    st.integers(8, 32)
    .flatmap(
        lambda length: st.integers(1 << 24, (224 << 24) - 1).map(
            lambda number: IPNetwork(f"{IPAddress(number)}/{length}").cidr
        )
    )
    .filter(lambda cidr: not cidr.ip.is_loopback())
)
VERSION_6 = st.integers(16, 128).flatmap(
    lambda length: st.integers(0, 2**112 - 1).map(
        lambda number: IPNetwork(f"{IPAddress((0xFD00 << 112) + number, 6)}/{length}").cidr
    )
)
CIDRS = VERSION_4 | VERSION_6


@dataclass
class Range:
    """A subnet as far as the choice of addresses asks for it."""

    cidr: str
    pools: list[dict[str, str]]
    gateway_ip: str | None = None
    ip_version: int = 4
    network_id: str = "net"
    id: str = field(default_factory=new_id)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(fresh(tmp_path_factory.mktemp("addresses")))
    Base.metadata.create_all(made.engine, tables=[Base.metadata.tables[name] for name in TABLES])
    yield made
    made.close()


TABLES = (Network.__tablename__, Port.__tablename__, Address.__tablename__)


def unchecked(store: Store) -> str:
    """Lets one transaction write addresses of ports that are not there."""
    if store.is_sqlite:
        return "PRAGMA defer_foreign_keys=ON"
    return "SET LOCAL session_replication_role = replica"


@given(CIDRS)
def test_every_cidr_reads_back_as_itself(cidr: IPNetwork) -> None:
    assert parse_cidr(str(cidr), cidr.version) == cidr
    with pytest.raises(BadRequest):
        parse_cidr(str(cidr), 10 - cidr.version)


@given(st.text(max_size=40) | st.from_regex(r"[0-9a-f:./%]{1,40}", fullmatch=True))
def test_any_text_is_a_network_or_a_bad_request(text: str) -> None:
    for read in (parse_network, parse_address, lambda said: parse_cidr(said, 4)):
        with suppress(BadRequest):
            read(text)


@given(CIDRS)
def test_usual_pools_hold_all_hosts_but_the_gateway(cidr: IPNetwork) -> None:
    gateway = usual_gateway(cidr)
    pools = usual_pools(cidr, gateway)
    ranges = [IPRange(pool["start"], pool["end"]) for pool in pools]
    assert all(one[0] in cidr and one[-1] in cidr for one in ranges)
    assert not any(gateway and IPAddress(gateway) in one for one in ranges)
    edges = 2 if cidr.version == 4 and cidr.prefixlen < 31 else 0
    edges = 1 if cidr.version == 6 and cidr.prefixlen < 127 else edges
    assert sum(one.size for one in ranges) == cidr.size - edges - (gateway is not None)


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=1, max_size=5),
    st.integers(1, 254),
)
def test_pools_that_are_taken_are_apart_inside_and_without_the_gateway(
    spans: list[tuple[int, int]], gateway: int
) -> None:
    cidr, router = IPNetwork("10.9.8.0/24"), f"10.9.8.{gateway}"
    said = [(f"10.9.8.{low}", f"10.9.8.{high}") for low, high in spans]
    good = all(0 < low <= high < 255 for low, high in spans)
    whole = IPSet()
    for low, high in spans if good else ():
        whole |= IPSet(IPRange(f"10.9.8.{low}", f"10.9.8.{high}"))
    apart = good and whole.size == sum(high - low + 1 for low, high in spans)
    if apart and IPAddress(router) not in whole:
        pools = pools_of(said, cidr, router)
        assert sum(IPRange(pool["start"], pool["end"]).size for pool in pools) == whole.size
    else:
        with pytest.raises((BadRequest, Conflict)):
            pools_of(said, cidr, router)


@settings(max_examples=25)
@given(st.data())
def test_chosen_addresses_are_in_the_pools_once_each_until_all_are_gone(
    store: Store, data: st.DataObject
) -> None:
    """Handing out and giving back in any order; at the end exactly the free ones are left."""
    cidr = IPNetwork("10.9.8.0/27")
    gateway = usual_gateway(cidr)
    subnet = Range(str(cidr), usual_pools(cidr, gateway), gateway)
    if data.draw(st.booleans()):
        subnet.pools = pools_of(
            [("10.9.8.3", "10.9.8.6"), ("10.9.8.20", "10.9.8.22")], cidr, gateway
        )
    free = IPSet()
    for pool in subnet.pools:
        free |= IPSet(IPRange(pool["start"], pool["end"]))
    held: dict[str, str] = {}
    with store.write() as session:
        session.connection().exec_driver_sql(unchecked(store))
        for gives_back in data.draw(st.lists(st.booleans(), max_size=30)):
            if gives_back and held:
                port = data.draw(st.sampled_from(sorted(held)))
                session.execute(delete(Address).where(Address.port_id == port))
                free.add(held.pop(port))
            elif free.size:
                port = new_id()
                got = allocate(session, subnet, port, None, place=0).ip_address  # type: ignore[arg-type]
                assert got in free
                assert got != gateway
                free.remove(got)
                held[port] = got
        for _ in range(free.size):
            free.remove(allocate(session, subnet, new_id(), None, place=0).ip_address)  # type: ignore[arg-type]
        with pytest.raises(Conflict):
            allocate(session, subnet, new_id(), None, place=0)  # type: ignore[arg-type]
        session.rollback()


def test_addresses_far_into_an_ipv6_subnet_are_handed_out_on_wish(store: Store) -> None:
    subnet = Range("fd00::/64", [{"start": "fd00::2", "end": "fd00::ffff:ffff:ffff:ffff"}], None, 6)
    with store.write() as session:
        session.connection().exec_driver_sql(unchecked(store))
        wished = "fd00::ffff:ffff:ffff:fffe"
        got = allocate(session, subnet, new_id(), wished, place=0)  # type: ignore[arg-type]
        assert got.ip_address == wished
        chosen = allocate(session, subnet, new_id(), None, place=0)  # type: ignore[arg-type]
        assert chosen.ip_address == "fd00::2"
        with pytest.raises(Conflict):
            allocate(session, subnet, new_id(), wished, place=0)  # type: ignore[arg-type]
        session.rollback()


def test_a_pool_behind_all_numbers_is_a_word_and_no_crash(store: Store) -> None:
    far = {"start": "fd00::8000:0:0:0", "end": "fd00::8000:0:0:ff"}
    with store.write() as session:
        session.connection().exec_driver_sql(unchecked(store))
        with pytest.raises(Conflict):
            allocate(session, Range("fd00::/64", [far], None, 6), new_id(), None, place=0)  # type: ignore[arg-type]
        session.rollback()
