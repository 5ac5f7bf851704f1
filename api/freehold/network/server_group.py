"""Security groups as a server has them: those of all its ports. For the compute room's old views.

Everything happens in the caller's transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.errors import NotFound
from freehold.network.port import Port
from freehold.network.port_make import set_groups
from freehold.network.security_group import PortGroup, SecurityGroup, require_groups, wire
from freehold.network.standard import converge


def groups_of_server(session: Session, server_id: str) -> list[dict[str, Any]]:
    """The groups that filter a server's ports, each once, as the Networking API shows them."""
    theirs = (
        select(PortGroup.security_group_id)
        .join(Port, Port.id == PortGroup.port_id)
        .where(Port.server_id == server_id, Port.removed.is_(False))
    )
    rows = session.scalars(
        select(SecurityGroup)
        .where(SecurityGroup.id.in_(theirs))
        .order_by(SecurityGroup.name, SecurityGroup.id)
    )
    return [wire(group) for group in rows]


def join_group(session: Session, server_id: str, project_id: str, name: str, now: datetime) -> None:
    """Filter all of a server's ports by one group more.

    Raises:
        BadRequest: The project has no such group, or several of the name.
    """
    (group_id,) = require_groups(session, project_id, [name])
    for port in _ports(session, server_id):
        groups = {group.security_group_id for group in port.groups}
        if port.port_security_enabled and group_id not in groups:
            _write(session, port, groups | {group_id}, now)


def leave_group(
    session: Session, server_id: str, project_id: str, name: str, now: datetime
) -> None:
    """Filter none of a server's ports by this group any longer.

    Raises:
        BadRequest: The project has no such group, or several of the name.
        NotFound: It filters none of them.
    """
    (group_id,) = require_groups(session, project_id, [name])
    left = False
    for port in _ports(session, server_id):
        groups = {group.security_group_id for group in port.groups}
        if group_id in groups:
            _write(session, port, groups - {group_id}, now)
            left = True
    if not left:
        raise NotFound(f"Security group {name} is not associated with the instance {server_id}")


def _ports(session: Session, server_id: str) -> list[Port]:
    return list(
        session.scalars(select(Port).where(Port.server_id == server_id, Port.removed.is_(False)))
    )


def _write(session: Session, port: Port, group_ids: set[str], now: datetime) -> None:
    set_groups(session, port, sorted(group_ids), port.port_security_enabled)
    port.touch(now)
    converge(session, port, now)
