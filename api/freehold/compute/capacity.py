"""What is used: sums over the servers' rows, made when asked for, kept nowhere (invariant 5).

A server counts from its claim until its row goes, so also while it fails or is being deleted: its
disk and memory may still be there.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from freehold.compute.server import Server


@dataclass(frozen=True)
class Used:
    """What a set of servers takes."""

    vcpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0
    servers: int = 0

    def plus(self, vcpus: int, memory_mib: int, disk_gib: int) -> Used:
        """With one server more."""
        return Used(
            self.vcpus + vcpus,
            self.memory_mib + memory_mib,
            self.disk_gib + disk_gib,
            self.servers + 1,
        )


def _sums() -> tuple[ColumnElement[int], ...]:
    return (
        func.coalesce(func.sum(Server.vcpus), 0),
        func.coalesce(func.sum(Server.memory_mib), 0),
        func.coalesce(func.sum(Server.disk_gib), 0),
        func.count(Server.id),
    )


def used_by_host(session: Session) -> dict[str, Used]:
    """What servers take of each host; hosts without servers are left out."""
    rows = session.execute(
        select(Server.host, *_sums()).where(Server.host.is_not(None)).group_by(Server.host)
    )
    return {str(host): Used(*map(int, sums)) for host, *sums in rows}


def used_by_project(session: Session, project_id: str) -> Used:
    """What a project's servers take of its quota."""
    row = session.execute(select(*_sums()).where(Server.project_id == project_id)).one()
    return Used(*map(int, row))
