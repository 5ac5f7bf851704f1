"""The target ``network/ovn``: how its results come back into rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.jobs import Converged, Fault, Result, TargetKind, settle, want
from freehold.network.document import KINDS, document
from freehold.network.network import Network
from freehold.network.port import Port
from freehold.network.router import Router
from freehold.network.standard import CONVERGE_S, TARGET
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
    """Write what became of each row; returns whether everything is settled."""
    settled = True
    for name, kind in TYPES.items():
        entries = result.of(kind)
        if not entries:
            continue
        rows = session.scalars(select(KINDS[name]).where(KINDS[name].id.in_(list(entries)))).all()
        for row in rows:
            done = settle(row, entries[row.id], now)
            if done and row.removed and row.fault is None:
                done = _forget(session, row)
            settled &= done
        session.flush()
    return settled


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
    """The run as a whole failed: rows past their deadline say why, the others wait."""
    _give_up(session, _overdue(session, now), fault)


def expire(session: Session, now: datetime) -> None:
    """Rows that no run has answered for in time."""
    message = (
        f"The logical network did not follow within {CONVERGE_S} s. Look at the newest jobs of "
        "network/ovn; the change is tried again with the next one."
    )
    _give_up(session, _overdue(session, now), Fault(code="TIMEOUT", message=message, at=now))


def _overdue(session: Session, now: datetime) -> Iterable[Converged]:
    for kind in KINDS.values():
        yield from session.scalars(
            select(kind).where(kind.overdue(now), kind.removed.is_(False))
        ).all()


def _give_up(session: Session, rows: Iterable[Converged], fault: Fault) -> None:
    for row in rows:
        row.fault = fault.model_dump(mode="json")
        row.deadline = None


def hosts_changed(session: Session, now: datetime) -> None:
    """Hosts came or went: every router with a gateway has to know."""
    for router in session.scalars(
        select(Router).where(Router.external_network_id.is_not(None), Router.removed.is_(False))
    ).all():
        router.ask(now, CONVERGE_S)
    want(session, *TARGET, now)


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
