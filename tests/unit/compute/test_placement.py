"""Placement: which host, and what it says when there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.compute.capacity import Used
from freehold.compute.placement import Request, Room, choose, place, room_of
from freehold.config import Config
from freehold.hosts import Host

HOST = Room("hv1", "nova", True, True, vcpus=4, vcpus_shared=16, memory_mib=4096, disk_gib=100)
SMALL = Request(vcpus=1, memory_mib=512, disk_gib=1)


def test_servers_spread_over_hosts() -> None:
    rooms = [HOST, replace(HOST, name="hv2"), replace(HOST, name="hv3")]
    assert [choice.host for choice in place(rooms, [SMALL] * 4)] == ["hv1", "hv2", "hv3", "hv1"]


def test_of_two_equal_hosts_the_one_with_more_free_memory_is_taken() -> None:
    rooms = [HOST, replace(HOST, name="hv2", memory_mib=8192)]
    assert choose(rooms, SMALL).host == "hv2"


def test_each_choice_takes_its_room_before_the_next_is_made() -> None:
    choices = place([HOST], [Request(1, 3000, 1), Request(1, 3000, 1)])
    assert [choice.host for choice in choices] == ["hv1", None]
    assert choices[1].nearest == "hv1 has 1096 MiB of memory free, 3000 are wanted"


REFUSALS = [
    (replace(HOST, enabled=False), SMALL, "1 disabled or not yet described", "hv1 is disabled"),
    (replace(HOST, described=False), SMALL, "1 disabled or not yet", "hv1 has not yet told"),
    (
        HOST,
        replace(SMALL, zone="east"),
        "1 outside the availability zone",
        "zone nova, not in east",
    ),
    (HOST, replace(SMALL, host="hv9"), "1 not the requested host", "not the requested host hv9"),
    (HOST, replace(SMALL, vcpus=5), "1 without enough vCPUs", "4 vCPUs in all, 5 are wanted"),
    (replace(HOST, used=Used(vcpus=16)), SMALL, "1 without enough vCPUs", "0 vCPUs free"),
    (HOST, replace(SMALL, memory_mib=5000), "1 without enough memory", "4096 MiB of memory free"),
    (HOST, replace(SMALL, disk_gib=101), "1 without enough disk", "100 GiB of disk free, 101"),
]


@pytest.mark.parametrize(("room", "request_", "counted", "nearest"), REFUSALS)
def test_a_refusal_counts_each_filter_and_names_the_nearest_miss(
    room: Room, request_: Request, counted: str, nearest: str
) -> None:
    choice = choose([room], request_)
    assert choice.host is None
    assert choice.report.startswith("No valid host was found. 1 host was looked at: ")
    assert counted in choice.report
    assert nearest in choice.report


def test_the_nearest_miss_is_the_host_that_came_furthest_with_least_missing() -> None:
    rooms = [
        replace(HOST, name="off", enabled=False),
        replace(HOST, name="far", memory_mib=100),
        replace(HOST, name="near", memory_mib=500),
    ]
    report = choose(rooms, SMALL).report
    assert (
        "3 hosts were looked at: 1 disabled or not yet described, 2 without enough memory" in report
    )
    assert "Nearest miss: near has 500 MiB" in report


def test_a_cloud_without_hosts_says_so() -> None:
    assert "There are no hosts" in choose([], SMALL).report


def test_ratios_and_the_reserve_come_off_what_a_host_says_it_has() -> None:
    host = Host(name="hv1", availability_zone="nova", enabled=True)
    host.facts = {"vcpus": 2, "memory_mib": 4096, "disk_gib": 50}
    config = Config(cpu_allocation_ratio=4, reserved_host_memory_mib=96, disk_allocation_ratio=2)
    room = room_of(host, Used(), config)
    assert (room.vcpus, room.vcpus_shared, room.memory_mib, room.disk_gib) == (2, 8, 4000, 100)


rooms_st = st.lists(
    st.builds(
        Room,
        name=st.sampled_from([f"hv{number}" for number in range(8)]),
        zone=st.sampled_from(["a", "b"]),
        enabled=st.booleans(),
        described=st.booleans(),
        vcpus=st.integers(0, 8),
        vcpus_shared=st.integers(0, 32),
        memory_mib=st.integers(0, 8192),
        disk_gib=st.integers(0, 64),
    ),
    unique_by=lambda room: room.name,
    max_size=6,
)
requests_st = st.lists(
    st.builds(
        Request,
        vcpus=st.integers(1, 4),
        memory_mib=st.integers(1, 4096),
        disk_gib=st.integers(0, 32),
        zone=st.sampled_from([None, "a", "b"]),
    ),
    max_size=12,
)


@given(rooms_st, requests_st)
def test_no_host_is_ever_given_more_than_it_has(rooms: list[Room], requests: list[Request]) -> None:
    choices = place(rooms, requests)
    assert len(choices) == len(requests)
    for room in rooms:
        taken = [r for r, c in zip(requests, choices, strict=True) if c.host == room.name]
        assert sum(request.vcpus for request in taken) <= room.vcpus_shared
        assert sum(request.memory_mib for request in taken) <= room.memory_mib
        assert sum(request.disk_gib for request in taken) <= room.disk_gib
        assert not taken or (room.enabled and room.described)
        assert all(request.zone in (None, room.zone) for request in taken)


@given(rooms_st, requests_st)
def test_every_host_is_either_left_or_counted_by_the_filter_that_removed_it(
    rooms: list[Room], requests: list[Request]
) -> None:
    for request in requests:
        choice = choose(rooms, request)
        removed = sum(number for _, number in choice.removed)
        assert removed <= choice.hosts == len(rooms)
        assert (choice.host is None) == (removed == len(rooms))
