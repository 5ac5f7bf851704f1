"""Status: the table of cases, and the same decision in Python and in the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from sqlalchemy import select

from freehold.compute.server import Server
from freehold.compute.server_status import (
    STATUSES,
    Facts,
    State,
    has_status,
    power_state_sql,
    state,
    state_of,
    task_state_sql,
    vm_state_sql,
)
from freehold.hosts import Host
from tests.support.service import Service

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RUNNING = Facts(
    placed=True,
    power="on",
    reboot=None,
    booted=True,
    ever_booted=True,
    made=True,
    settled=True,
    removed=False,
    failed=False,
    found_power="on",
)
NEW = replace(RUNNING, booted=False, ever_booted=False, settled=False, found_power=None)

CASES = [
    ("just created", NEW, "BUILD", "building", "spawning", 0),
    (
        "domain runs, ports unbound",
        replace(NEW, found_power="on"),
        "BUILD",
        "building",
        "spawning",
        1,
    ),
    ("no host", replace(NEW, placed=False, settled=True, failed=True), "ERROR", "error", None, 0),
    ("build failed", replace(NEW, settled=True, failed=True), "ERROR", "error", None, 0),
    (
        "build has a problem and time left",
        replace(NEW, failed=True),
        "BUILD",
        "building",
        "spawning",
        0,
    ),
    ("running", RUNNING, "ACTIVE", "active", None, 1),
    ("renamed while running", replace(RUNNING, settled=False), "ACTIVE", "active", None, 1),
    ("turned itself off", replace(RUNNING, found_power="off"), "SHUTOFF", "stopped", None, 4),
    ("crashed", replace(RUNNING, found_power="crashed"), "SHUTOFF", "stopped", None, 6),
    (
        "stands still on a full disk",
        replace(RUNNING, found_power="paused"),
        "PAUSED",
        "paused",
        None,
        3,
    ),
    (
        "stop asked",
        replace(RUNNING, power="off", settled=False),
        *("ACTIVE", "active", "powering-off", 1),
    ),
    ("stopped", replace(RUNNING, power="off", found_power="off"), "SHUTOFF", "stopped", None, 4),
    (
        "start asked",
        replace(RUNNING, booted=False, settled=False, found_power="off"),
        *("SHUTOFF", "stopped", "powering-on", 4),
    ),
    (
        "soft reboot asked",
        replace(RUNNING, reboot="soft", booted=False, settled=False),
        *("REBOOT", "active", "rebooting", 1),
    ),
    (
        "hard reboot under way, domain off",
        replace(RUNNING, reboot="hard", booted=False, settled=False, found_power="off"),
        *("HARD_REBOOT", "active", "rebooting_hard", 4),
    ),
    (
        "pause asked",
        replace(RUNNING, power="paused", settled=False),
        *("ACTIVE", "active", "pausing", 1),
    ),
    ("paused", replace(RUNNING, power="paused", found_power="paused"), "PAUSED", "paused", None, 3),
    (
        "unpause asked",
        replace(RUNNING, settled=False, found_power="paused"),
        *("PAUSED", "paused", "unpausing", 3),
    ),
    (
        "suspend asked",
        replace(RUNNING, power="suspended", settled=False),
        *("ACTIVE", "active", "suspending", 1),
    ),
    (
        "suspended",
        replace(RUNNING, power="suspended", found_power="suspended"),
        *("SUSPENDED", "suspended", None, 4),
    ),
    (
        "resume asked",
        replace(RUNNING, settled=False, found_power="suspended"),
        *("SUSPENDED", "suspended", "resuming", 4),
    ),
    (
        "rebuild asked",
        replace(RUNNING, made=False, booted=False, settled=False),
        *("REBUILD", "active", "rebuild_spawning", 1),
    ),
    (
        "rebuild of a stopped one asked",
        replace(RUNNING, made=False, power="off", settled=False, found_power="off"),
        *("REBUILD", "stopped", "rebuild_spawning", 4),
    ),
    ("rebuild failed", replace(RUNNING, made=False, failed=True), "ERROR", "error", None, 1),
    ("stop failed", replace(RUNNING, power="off", failed=True), "ERROR", "error", None, 1),
    (
        "deleting a running one",
        replace(RUNNING, removed=True, settled=False),
        *("ACTIVE", "active", "deleting", 1),
    ),
    ("deleting a new one", replace(NEW, removed=True), "BUILD", "building", "deleting", 0),
    (
        "deleting fails for now",
        replace(RUNNING, removed=True, settled=False, failed=True),
        *("ERROR", "error", "deleting", 1),
    ),
]


@pytest.mark.parametrize(
    ("facts", "status", "vm_state", "task_state", "power_state"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_status_follows_from_what_is_wanted_and_found(
    facts: Facts, status: str, vm_state: str, task_state: str | None, power_state: int
) -> None:
    seen = state_of(facts)
    assert seen == State(vm_state, task_state, power_state)
    assert seen.status == status


def _server(number: int, **fields: Any) -> Server:
    return Server(
        id=f"{number:08x}-0000-4000-8000-000000000000",
        project_id="p",
        user_id="u",
        name="n",
        hostname="n",
        image_id="i",
        flavor_id="f",
        flavor={"name": "f"},
        vcpus=1,
        memory_mib=1,
        root_gib=1,
        disk_gib=1,
        random_seed="",
        reservation_id="r",
        created_at=NOW,
        updated_at=NOW,
        **fields,
    )


def _all_rows() -> Iterator[Server]:
    fault = {"code": "X", "message": "x", "at": NOW.isoformat(), "retry": "later"}
    choices = product(
        ("hv1", None),
        ("on", "off", "paused", "suspended"),
        (None, "soft", "hard"),
        ((1, 0), (2, 1), (2, 2)),
        (1, 2),
        (True, False),
        (True, False),
        (None, fault),
        (None, "on", "off", "paused", "suspended", "crashed", "absent"),
    )
    for number, (host, power, reboot, boots, made, settled, removed, problem, found) in enumerate(
        choices
    ):
        yield _server(
            number,
            host=host,
            power=power,
            reboot=reboot,
            boot_serial=boots[0],
            booted_serial=boots[1],
            disk_serial=2,
            made_serial=made,
            generation=3,
            satisfied=3 if settled else 2,
            removed=removed,
            fault=problem,
            found={"power": found} if found else {},
        )


def test_the_database_decides_as_python_does_for_every_case(service: Service) -> None:
    with service.store.write() as session:
        session.add(Host(name="hv1", created_at=NOW, facts={}))
        session.flush()
        session.add_all(_all_rows())
    with service.store.read() as session:
        rows = session.execute(
            select(Server, vm_state_sql(), task_state_sql(), power_state_sql())
        ).all()
        assert len(rows) > 1000
        for server, *seen in rows:
            assert State(*seen) == state(server), vars(server)
        for status in set(STATUSES.values()):
            condition = has_status([status])
            assert condition is not None
            filtered = set(session.scalars(select(Server.id).where(condition)))
            assert filtered == {row[0].id for row in rows if state(row[0]).status == status}


def test_a_status_that_does_not_exist_is_no_condition() -> None:
    assert has_status(["NO_SUCH"]) is None
    assert has_status(["RESCUE"]) is not None
