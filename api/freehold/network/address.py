"""Addresses handed out: a row each, unique in their subnet by a database constraint.

Choosing costs the same in a /28 and in a /16: first the number behind the highest of a pool, then a
few at random, and only in a pool that is nearly full one query for the first gap.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from netaddr import IPAddress, IPNetwork
from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from freehold.errors import BadRequest, Conflict
from freehold.network.subnet_range import is_host, parse_address
from freehold.store import Base, lock

if TYPE_CHECKING:
    from freehold.network.subnet import Subnet

MAC_PREFIX = "fa:16:3e"
LAST_NUMBER = 2**62
"""Addresses farther into an IPv6 subnet have no number; they are handed out only on wish."""
PROBES = 16


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
    ip_address: Mapped[str] = mapped_column(primary_key=True, index=True)
    number: Mapped[int | None] = mapped_column(BigInteger)
    place: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        UniqueConstraint("subnet_id", "ip_address"),
        UniqueConstraint("subnet_id", "number"),
    )


def new_mac() -> str:
    """A random address in the range that OpenStack uses (locally administered)."""
    return f"{MAC_PREFIX}:{secrets.token_bytes(3).hex(':')}"


def allocate(
    session: Session, subnet: Subnet, port_id: str, wished: str | None, *, place: int
) -> Address:
    """Hand out one address of a subnet to a port; written with the session's next flush.

    Args:
        wished: The address asked for; None lets the pools choose.
        place: Order among the port's addresses.

    Raises:
        BadRequest: The address is not one of the subnet.
        Conflict: It is taken, or the pools are used up.
    """
    lock(session, "addresses", subnet.id)
    first = int(IPNetwork(subnet.cidr).first)
    number = _choose(session, subnet, first) if wished is None else _wished(session, subnet, wished)
    address = Address(
        port_id=port_id,
        subnet_id=subnet.id,
        ip_address=str(IPAddress(first + number, subnet.ip_version)),
        number=number if number <= LAST_NUMBER else None,
        place=place,
    )
    session.add(address)
    session.flush()
    return address


def _wished(session: Session, subnet: Subnet, wished: str) -> int:
    cidr, address = IPNetwork(subnet.cidr), parse_address(wished)
    if not is_host(address, cidr):
        raise BadRequest(
            f"IP address {wished} is not a valid IP for the specified subnet {subnet.id} "
            f"({subnet.cidr}).",
            kind="InvalidIpForSubnet",
        )
    taken = select(Address.port_id).where(
        Address.subnet_id == subnet.id, Address.ip_address == str(address)
    )
    if session.execute(taken).first() is not None:
        raise Conflict(
            f"IP address {address} already allocated in subnet {subnet.id}",
            kind="IpAddressAlreadyAllocated",
        )
    return int(address) - int(cidr.first)


def _choose(session: Session, subnet: Subnet, first: int) -> int:
    for pool in subnet.pools:
        low = int(IPAddress(pool["start"])) - first
        high = min(int(IPAddress(pool["end"])) - first, LAST_NUMBER)
        if low <= high and (number := _free(session, subnet.id, low, high)) is not None:
            return number
    raise Conflict(
        f"No more IP addresses available on network {subnet.network_id}: the allocation pools of "
        f"subnet {subnet.id} are used up.",
        kind="IpAddressGenerationFailure",
    )


def _free(session: Session, subnet_id: str, low: int, high: int) -> int | None:
    """A free number from ``low`` to ``high``: behind the highest, at random, the first gap."""
    here = (Address.subnet_id == subnet_id, Address.number >= low, Address.number <= high)
    highest = session.scalar(
        select(Address.number).where(*here).order_by(Address.number.desc()).limit(1)
    )
    if highest is None:
        return low
    if highest < high:
        return highest + 1
    probes = [low + secrets.randbelow(high - low + 1) for _ in range(PROBES)]
    taken = set(
        session.scalars(
            select(Address.number).where(Address.subnet_id == subnet_id, Address.number.in_(probes))
        )
    )
    for number in probes:
        if number not in taken:
            return number
    return _gap(session, subnet_id, low, high)


def _gap(session: Session, subnet_id: str, low: int, high: int) -> int | None:
    """The first free number of a pool that is nearly full."""
    here = (Address.subnet_id == subnet_id, Address.number >= low, Address.number <= high)
    if session.scalar(select(func.min(Address.number)).where(*here)) != low:
        return low
    after = aliased(Address)
    before_gap = session.scalar(
        select(Address.number)
        .outerjoin(
            after, (after.subnet_id == Address.subnet_id) & (after.number == Address.number + 1)
        )
        .where(*here, Address.number < high, after.number.is_(None))
        .order_by(Address.number)
        .limit(1)
    )
    return None if before_gap is None else before_gap + 1
