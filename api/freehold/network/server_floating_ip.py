"""Floating IPs by their address, as the compute room's old actions name them.

Everything happens in the caller's transaction.
"""

from __future__ import annotations

from sqlalchemy import select

from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call
from freehold.network.floating_ip import FloatingIp
from freehold.network.floating_ip_operations import lead
from freehold.network.port import Port
from freehold.network.standard import own_or


def join_floating_ip(call: Call, address: str, port_id: str, fixed_ip: str) -> None:
    """Let one of the caller's floating IPs lead to a port's address.

    Raises:
        NotFound: The caller has no such floating IP.
        BadRequest, Conflict: It cannot lead there, in the words of ``PUT /floatingips/{id}``.
    """
    row = _find(call, address)
    call.enforce("update_floatingip", {"project_id": row.project_id})
    try:
        moved = lead(call, row, port_id, fixed_ip)
    except NotFound as error:
        raise BadRequest(error.message, kind=error.kind) from error
    if moved:
        row.touch(call.now)


def leave_floating_ip(call: Call, address: str, server_id: str) -> None:
    """Let one of the caller's floating IPs lead to this server no longer.

    Raises:
        NotFound: The caller has no such floating IP.
        Conflict: It does not lead to the server.
    """
    row = _find(call, address)
    call.enforce("update_floatingip", {"project_id": row.project_id})
    port = call.session.get(Port, row.port_id) if row.port_id else None
    if port is None or port.server_id != server_id:
        raise Conflict(f"Floating IP {address} is not associated with instance {server_id}.")
    lead(call, row, None, None)
    row.touch(call.now)


def _find(call: Call, address: str) -> FloatingIp:
    row = call.session.scalar(
        select(FloatingIp).where(
            FloatingIp.floating_ip_address == address,
            FloatingIp.removed.is_(False),
            own_or(call.caller, FloatingIp.project_id),
        )
    )
    if row is None:
        raise NotFound("floating IP not found")
    return row
