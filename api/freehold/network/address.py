"""Addresses handed out: a row each, unique in their subnet by a database constraint.

Choosing costs the same in a /28 and in a /16: the next number behind the highest of a pool, and
only when that is the pool's end, one query for the first gap.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from netaddr import IPAddress, IPNetwork
from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from freehold.errors import BadRequest, Conflict
from freehold.store import Base, lock

if TYPE_CHECKING:
    from freehold.network.subnet import Subnet

MAC_PREFIX = "fa:16:3e"
LAST_NUMBER = 2**62


class Address(Base):
    """One address of one port.

    Attributes:
        number: Distance from the subnet's first address, by which gaps are found.
        place: Order among the port's addresses.
    """

    __tablename__ = "addresses"

    port_id: Mapped[str] = mapped_column(
        ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True
    )
    subnet_id: Mapped[str] = mapped_column(primary_key=True)
    ip_address: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    place: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        UniqueConstraint("subnet_id", "ip_address"),
        UniqueConstraint("subnet_id", "number"),
    )


def new_mac() -> str:
    """A random address in the range that OpenStack uses (locally administered)."""
    tail = secrets.token_bytes(3).hex(":")
    return f"{MAC_PREFIX}:{tail}"


def allocate(
    session: Session, subnet: Subnet, port_id: str, wished: str | None, *, place: int, router: bool
) -> Address:
    """Hand out one address of a subnet to a port.

    Args:
        wished: The address asked for; None lets the pools choose.
        place: Order among the port's addresses.
        router: The port is a router's, which may have the gateway's address.

    Raises:
        BadRequest: The address is not one of the subnet.
        Conflict: It is taken, or the pools are used up.
    """
    lock(session, "addresses", subnet.id)
    first = IPNetwork(subnet.cidr).first
    number = (
        _choose(session, subnet, first)
        if wished is None
        else _checked(session, subnet, wished, router=router)
    )
    address = Address(
        port_id=port_id,
        subnet_id=subnet.id,
        ip_address=str(IPAddress(first + number, subnet.ip_version)),
        number=number,
        place=place,
    )
    session.add(address)
    session.flush()
    return address


def _checked(session: Session, subnet: Subnet, wished: str, *, router: bool) -> int:
    from freehold.network.subnet import parse_address

    cidr, address = IPNetwork(subnet.cidr), parse_address(wished)
    edge = cidr.version == 4 and cidr.prefixlen < 31 and int(address) in (cidr.first, cidr.last)
    if address not in cidr or edge:
        raise BadRequest(
            f"IP address {wished} is not a valid IP for the specified subnet {subnet.id}.",
            kind="InvalidIpForSubnet",
        )
    taken = select(Address.port_id).where(
        Address.subnet_id == subnet.id, Address.ip_address == str(address)
    )
    is_gateway = str(address) == subnet.gateway_ip and not router
    if session.execute(taken).first() is not None or is_gateway:
        raise Conflict(
            f"IP address {wished} already allocated in subnet {subnet.id}.",
            kind="IpAddressAlreadyAllocated",
        )
    return int(address) - int(cidr.first)


def _choose(session: Session, subnet: Subnet, first: int) -> int:
    for pool in subnet.pools:
        low = int(IPAddress(pool["start"])) - first
        high = min(int(IPAddress(pool["end"])) - first, LAST_NUMBER)
        if (number := _free(session, subnet.id, low, high)) is not None:
            return number
    raise Conflict(
        f"No more IP addresses available on network {subnet.network_id}.",
        kind="IpAddressGenerationFailure",
    )


def _free(session: Session, subnet_id: str, low: int, high: int) -> int | None:
    """A free number from ``low`` to ``high``: behind the highest, else the first gap."""
    here = (Address.subnet_id == subnet_id, Address.number >= low, Address.number <= high)
    highest = session.scalar(select(func.max(Address.number)).where(*here))
    if highest is None:
        return low
    if highest < high:
        return int(highest) + 1
    lowest = session.scalar(select(func.min(Address.number)).where(*here))
    if lowest is not None and lowest > low:
        return low
    after = aliased(Address)
    gap = session.scalar(
        select(func.min(Address.number))
        .outerjoin(
            after, (after.subnet_id == Address.subnet_id) & (after.number == Address.number + 1)
        )
        .where(*here, Address.number < high, after.number.is_(None))
    )
    return None if gap is None else int(gap) + 1
