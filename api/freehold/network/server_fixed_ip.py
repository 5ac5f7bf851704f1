"""Addresses of a server's ports, one more and one less. For the compute room's old actions.

Everything happens in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from freehold.access import Caller
from freehold.errors import Conflict, NotFound
from freehold.network.network import Network, lock_networks, usable
from freehold.network.port import Port
from freehold.network.port_address import release, replace_addresses
from freehold.network.port_request import FixedIp
from freehold.network.standard import converge, find
from freehold.network.subnet import Subnet
from freehold.network.subnet_mode import is_automatic


def add_fixed_ip(
    session: Session, caller: Caller, server_id: str, network_id: str, now: datetime
) -> None:
    """Give the server's first port on a network one address more.

    Raises:
        NotFound: No such network for the caller, or the server has no port on it.
        Conflict: No subnet of it has an address left.
    """
    network = find(session, Network, network_id, usable(caller))
    lock_networks(session, [network.id])
    port = next(iter(_ports(session, server_id, Port.network_id == network.id)), None)
    if port is None:
        raise NotFound(f"Network could not be found for instance {server_id}.")
    _add(session, port, network.subnets)
    port.touch(now)
    converge(session, port, now)


def _add(session: Session, port: Port, subnets: Sequence[Subnet]) -> None:
    there = [(FixedIp(subnet_id=one.subnet_id), one) for one in port.addresses]
    full: Conflict | None = None
    for subnet in subnets:
        if is_automatic(subnet):
            continue
        try:
            new = FixedIp(subnet_id=subnet.id)
            replace_addresses(session, port, subnets, [*there, (new, None)])
        except Conflict as error:
            full = error
        else:
            return
    raise full or Conflict(
        f"No more IP addresses available on network {port.network_id}: it has no subnet that hands "
        "them out.",
        kind="IpAddressGenerationFailure",
    )


def remove_fixed_ip(session: Session, server_id: str, address: str, now: datetime) -> None:
    """Take an address from the server's port that has it.

    Raises:
        NotFound: None has it.
    """
    for port in _ports(session, server_id):
        for one in port.addresses:
            if one.ip_address == address:
                left = [other for other in port.addresses if other is not one]
                release(session, port, one, now)
                set_committed_value(port, "addresses", left)
                port.touch(now)
                converge(session, port, now)
                return
    raise NotFound(f"Instance {server_id} does not have fixed IP {address}.")


def _ports(session: Session, server_id: str, *conditions: ColumnElement[bool]) -> list[Port]:
    return list(
        session.scalars(
            select(Port)
            .where(Port.server_id == server_id, Port.removed.is_(False), *conditions)
            .order_by(Port.created_at, Port.id)
        )
    )
