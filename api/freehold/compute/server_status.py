"""A server's status: computed from what is wanted and what was found, never remembered apart.

Twice the same decision: ``state_of`` for one row in Python, ``vm_state_sql`` and ``task_state_sql``
for filters and sorting in the database. A test walks the whole table of cases and proves that they
agree. The words are nova's (API guide, "Server concepts").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal, null, or_

from freehold.compute.server import POWER_OFF, POWER_ON, POWER_PAUSED, POWER_SUSPENDED, Server
from freehold.errors import Conflict

STATUSES = {
    ("active", None): "ACTIVE",
    ("active", "rebooting"): "REBOOT",
    ("active", "rebooting_hard"): "HARD_REBOOT",
    ("building", None): "BUILD",
    ("stopped", None): "SHUTOFF",
    ("active", "rebuild_spawning"): "REBUILD",
    ("stopped", "rebuild_spawning"): "REBUILD",
    ("paused", None): "PAUSED",
    ("suspended", None): "SUSPENDED",
    ("error", None): "ERROR",
    ("deleted", None): "DELETED",
}
"""(vm_state, task_state) → status; a task that is not named leaves the vm_state's own status."""

OTHER_STATUSES = frozenset(
    [
        "MIGRATING",
        "PASSWORD",
        "RESCUE",
        "RESIZE",
        "REVERT_RESIZE",
        "SHELVED",
        "SHELVED_OFFLOADED",
        "SOFT_DELETED",
        "VERIFY_RESIZE",
    ]
)
"""Statuses that the API knows and no server of this cloud has yet."""

WITH_PROGRESS = frozenset({"ACTIVE", "BUILD", "REBUILD"})
WITH_FAULT = frozenset({"ERROR", "DELETED"})

POWER_STATES = {"on": 1, "paused": 3, "off": 4, "suspended": 4, "crashed": 6}
"""What a host found → nova's number; anything else is 0, "no state"."""

RESTING = {"on": "active", "paused": "paused", "suspended": "suspended"}
"""What a host found → vm_state, when nothing else is wanted; anything not named is stopped."""


MOVES = {
    (POWER_OFF, "on"): "powering-off",
    (POWER_PAUSED, "on"): "pausing",
    (POWER_ON, "paused"): "unpausing",
    (POWER_SUSPENDED, "on"): "suspending",
    (POWER_ON, "suspended"): "resuming",
}
"""(power that is wanted, found) → task_state, when no boot is wanted."""


@dataclass(frozen=True)
class Facts:
    """All that a status depends on.

    Attributes:
        placed: It has a host.
        booted: The wanted ``boot_serial`` has been answered for.
        ever_booted: Any has.
        made: The wanted ``disk_serial`` has been answered for.
        found_power: What the host last found, None before it looked.
    """

    placed: bool
    power: str
    reboot: str | None
    booted: bool
    ever_booted: bool
    made: bool
    settled: bool
    removed: bool
    failed: bool
    found_power: str | None


@dataclass(frozen=True)
class State:
    """What tenants see."""

    vm_state: str
    task_state: str | None
    power_state: int

    @property
    def status(self) -> str:
        """The API's one word."""
        own = STATUSES[(self.vm_state, None)]
        return STATUSES.get((self.vm_state, self.task_state), own)


def facts_of(server: Server) -> Facts:
    """A row's facts."""
    return Facts(
        placed=server.host is not None,
        power=server.power,
        reboot=server.reboot,
        booted=server.booted_serial >= server.boot_serial,
        ever_booted=server.booted_serial > 0,
        made=server.made_serial >= server.disk_serial,
        settled=server.settled,
        removed=server.removed,
        failed=server.fault is not None,
        found_power=server.found.get("power"),
    )


def state_of(facts: Facts) -> State:
    """Decide what a server is, the first rule that fits:

    removed → deleting; answered with a fault → error; never booted and unanswered → building; a
    new disk that is wanted → rebuilding; a boot that is wanted → starting or rebooting; another
    power wanted than found → on the way there; else what was found.
    """
    power_state = POWER_STATES.get(facts.found_power or "", 0)
    return State(_vm_state(facts), _task_state(facts), power_state)


def state(server: Server) -> State:
    """The state of a row."""
    return state_of(facts_of(server))


def require(server: Server, verb: str, vm_states: set[str], *tasks: str) -> None:
    """Refuse an action unless the server is in one of the states and no other task is under way.

    Raises:
        Conflict: In nova's own words, which clients and Tempest read.
    """
    now = state(server)
    for attribute, value, fits in (
        ("vm_state", now.vm_state, now.vm_state in vm_states),
        ("task_state", now.task_state, now.task_state is None or now.task_state in tasks),
    ):
        if not fits:
            raise Conflict(
                f"Cannot '{verb}' instance {server.id} while it is in {attribute} {value}"
            )


def _vm_state(facts: Facts) -> str:
    resting = RESTING.get(facts.found_power or "", "stopped")
    if facts.removed:
        if facts.failed:
            return "error"
        return resting if facts.ever_booted else "building"
    if facts.settled:
        return "error" if facts.failed else resting
    if not facts.ever_booted:
        return "building"
    if not facts.made:
        return "active" if facts.power == POWER_ON else "stopped"
    if facts.power == POWER_ON and not facts.booted:
        return "active" if facts.reboot else "stopped"
    return resting


def _task_state(facts: Facts) -> str | None:
    if facts.removed:
        return "deleting"
    if facts.settled:
        return None
    if not facts.ever_booted:
        return "spawning" if facts.placed else "scheduling"
    if not facts.made:
        return "rebuild_spawning"
    if facts.power == POWER_ON and not facts.booted:
        return {"soft": "rebooting", "hard": "rebooting_hard"}.get(
            facts.reboot or "", "powering-on"
        )
    return MOVES.get((facts.power, facts.found_power or ""))


def _failed_sql() -> ColumnElement[bool]:
    # A JSON column holds None as JSON's null on some paths, so ask for a member, not for NULL.
    code: ColumnElement[str] = Server.fault["code"].as_string()
    return code.is_not(None)


def _found_sql() -> ColumnElement[str]:
    found: ColumnElement[str] = Server.found["power"].as_string()
    return found


def _unmade() -> ColumnElement[bool]:
    return Server.made_serial < Server.disk_serial


def vm_state_sql() -> ColumnElement[str]:
    """``state_of(...).vm_state`` in the database."""
    failed, settled = _failed_sql(), ~Server.unsettled()
    ever_booted = Server.booted_serial > 0
    resting = case(
        *((_found_sql() == found, word) for found, word in RESTING.items()), else_="stopped"
    )
    booting = and_(Server.power == "on", Server.booted_serial < Server.boot_serial)
    return case(
        (and_(or_(Server.removed, settled), failed), "error"),
        (and_(Server.removed, ~ever_booted), "building"),
        (or_(Server.removed, settled), resting),
        (~ever_booted, "building"),
        (and_(_unmade(), Server.power == POWER_ON), "active"),
        (_unmade(), "stopped"),
        (and_(booting, Server.reboot.is_not(None)), "active"),
        (booting, "stopped"),
        else_=resting,
    )


def task_state_sql() -> ColumnElement[Any]:
    """``state_of(...).task_state`` in the database."""
    booting = and_(Server.power == "on", Server.booted_serial < Server.boot_serial)
    return case(
        (Server.removed, literal("deleting")),
        (~Server.unsettled(), null()),
        (and_(Server.booted_serial <= 0, Server.host.is_(None)), "scheduling"),
        (Server.booted_serial <= 0, "spawning"),
        (_unmade(), "rebuild_spawning"),
        (and_(booting, Server.reboot == "soft"), "rebooting"),
        (and_(booting, Server.reboot == "hard"), "rebooting_hard"),
        (booting, "powering-on"),
        *(
            (and_(Server.power == power, _found_sql() == found), word)
            for (power, found), word in MOVES.items()
        ),
        else_=null(),
    )


def power_state_sql() -> ColumnElement[int]:
    """``state_of(...).power_state`` in the database."""
    return case(
        *((_found_sql() == found, number) for found, number in POWER_STATES.items()), else_=0
    )


def has_status(statuses: list[str]) -> ColumnElement[bool] | None:
    """SQL condition: servers that show one of these; None when no such status exists."""
    known = {*STATUSES.values(), *OTHER_STATUSES}
    wanted = [status for status in statuses if status in known]
    if not wanted:
        return None
    vm_state, task = vm_state_sql(), task_state_sql()
    named = {(vm, task_state) for vm, task_state in STATUSES if task_state}
    conditions: list[ColumnElement[bool]] = [literal(False)]
    for (vm, task_state), status in STATUSES.items():
        if status not in wanted:
            continue
        if task_state is not None:
            conditions.append(and_(vm_state == vm, task == task_state))
            continue
        others = [other for of_vm, other in named if of_vm == vm]
        conditions.append(and_(vm_state == vm, or_(task.is_(None), task.not_in(others))))
    return or_(*conditions)
