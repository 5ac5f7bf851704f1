"""The target ``network/ovn``: how its results come back into rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.jobs import Entry, Fault, Result, TargetKind, settle
from freehold.network.document import KINDS, document
from freehold.network.network import Network
from freehold.network.port import Port
from freehold.network.router import Router, hosts_mark
from freehold.network.standard import CONVERGE_S, TARGET, converge
from freehold.network.subnet import Subnet

TYPES = {
    "floating_ips": "floating_ip",
    "ports": "port",
    "routers": "router",
    "subnets": "subnet",
    "security_groups": "security_group",
    "networks": "network",
}
"""In the order in which removed rows go: what refers to others first."""
TIME_LIMIT_S = 120


def write_back(session: Session, _name: str, result: Result, now: datetime) -> bool:
    """Write what became of each row; True when all that it was about is settled.

    A row that was asked for something newer since counts as settled: the target is due anyway.
    """
    settled = True
    for name, kind in TYPES.items():
        entries = result.of(kind)
        if not entries:
            continue
        table = KINDS[name]
        rows = session.scalars(
            select(table)
            .where(table.id.in_(list(entries)))
            .with_for_update()
            .execution_options(populate_existing=True)
        ).all()
        for row in rows:
            settled &= _write(session, row, entries[row.id], now)
        session.flush()
    return settled


def _write(session: Session, row: Any, entry: Entry, now: datetime) -> bool:
    is_newer = row.generation != entry.generation
    if row.settled and not is_newer and entry.error and entry.error.retry == "later":
        return True  # nobody asked for anything; a look that failed now may go well next time
    settle(row, entry, now)
    if row.settled and not is_newer and row.removed:
        return _forget(session, row)
    return is_newer or bool(row.settled)


def _forget(session: Session, row: Any) -> bool:
    """Delete a row whose thing is gone; a network waits until its ports and subnets are."""
    if isinstance(row, Network):
        for kind in (Port, Subnet):
            left = select(kind.id).where(kind.network_id == row.id).limit(1)
            if session.execute(left).first() is not None:
                row.satisfied = row.generation - 1
                return False
    session.delete(row)
    return True


def failed(session: Session, _name: str, fault: Fault, now: datetime) -> None:
    """The run as a whole failed: rows past their deadline get a fault, the others wait for the
    next try and keep the reason.
    """
    for kind in KINDS.values():
        for row in session.scalars(select(kind).where(kind.unsettled())):
            row.found = {**row.found, "waiting_for": fault.message}
    session.flush()
    _give_up(session, now)


def expire(session: Session, now: datetime) -> None:
    """Rows that no run has answered for in time get a fault; the host set is looked at too.

    This runs every few seconds, so that hosts, which know nothing of networks, need not tell.
    A row stays asked for: the fault goes when a later run brings it about. Removed rows wait on,
    as nobody sees them.
    """
    hosts_changed(session, now)
    _give_up(session, now)


def _give_up(session: Session, now: datetime) -> None:
    for kind in KINDS.values():
        overdue = select(kind).where(kind.overdue(now), kind.removed.is_(False))
        for row in session.scalars(overdue):
            row.fault = _late(row, now).model_dump(mode="json")
            row.deadline = None


def _late(row: Any, now: datetime) -> Fault:
    heard = row.found.get("waiting_for")
    last = f" The last thing heard was: {heard}" if heard else ""
    return Fault(
        code="TIMED_OUT",
        message=(
            f"{type(row).__name__} {row.id} was not made so in the logical network within "
            f"{CONVERGE_S} s.{last} Look at the jobs of network/ovn (freehold job list); it is "
            "tried again with each of them."
        ),
        at=now,
    )


def hosts_changed(session: Session, now: datetime) -> None:
    """Hosts came, went or were disabled: every router with a gateway there has to know."""
    mark = hosts_mark(session)
    for router in session.scalars(
        select(Router).where(
            Router.external_network_id.is_not(None),
            Router.removed.is_(False),
            Router.gateway_hosts != mark,
        )
    ):
        router.gateway_hosts = mark
        converge(session, router, now)


def target_kind() -> TargetKind:
    """How the logical network is converged: on the first host of ``ovn_central``."""
    return TargetKind(
        kind=TARGET[0],
        playbook="network.yml",
        document=document,
        write_back=write_back,
        failed=failed,
        expire=expire,
        limit=lambda _name: None,
        time_limit_s=TIME_LIMIT_S,
    )
