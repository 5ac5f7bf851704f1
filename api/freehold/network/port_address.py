"""Which addresses a port has: chosen for it, asked for, or the ones that its guest makes itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from netaddr import IPNetwork
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from freehold.errors import BadRequest, Conflict
from freehold.network.address import Address, allocate
from freehold.network.floating_ip import disassociate
from freehold.network.port import HELD, Port
from freehold.network.port_request import FixedIp
from freehold.network.standard import converge
from freehold.network.subnet import Subnet
from freehold.network.subnet_mode import is_automatic, own_address
from freehold.network.subnet_range import parse_address

Wished = tuple[FixedIp, Address | None]
"""An address asked for, and the one that the port has already for it."""


def choose_addresses(
    session: Session, port: Port, subnets: Sequence[Subnet], versions: Sequence[int]
) -> None:
    """One address of each IP version from the first subnet that has one left, and the port's own
    in every subnet where guests make theirs.
    """
    addresses: list[Address] = []
    for version in versions:
        full: Conflict | None = None
        for subnet in subnets:
            if subnet.ip_version != version or is_automatic(subnet):
                continue
            try:
                addresses.append(_allocate(session, port, subnet, None, len(addresses)))
            except Conflict as error:
                full = error
            else:
                full = None
                break
        if full is not None:
            raise full
    if 6 in versions:
        addresses += _automatic(session, port, subnets, addresses)
    set_committed_value(port, "addresses", addresses)


def replace_addresses(
    session: Session, port: Port, subnets: Sequence[Subnet], wished: Sequence[Wished]
) -> None:
    """Give a port exactly these addresses, and those that its guest makes itself.

    An empty list gives none at all. Ports of routers and floating IPs have what was asked for.
    """
    addresses = []
    for place, (wish, address) in enumerate(wished):
        if address is None:
            subnet = _subnet_for(subnets, wish, port.network_id)
            address = _allocate(session, port, subnet, wish.ip_address, place)
        address.place = place
        addresses.append(address)
    if wished and port.device_owner not in HELD:
        addresses += _automatic(session, port, subnets, addresses)
    session.flush()
    set_committed_value(port, "addresses", addresses)


def _automatic(
    session: Session, port: Port, subnets: Sequence[Subnet], has: Sequence[Address]
) -> list[Address]:
    """What the port's guest makes itself, in subnets where it has no address yet."""
    there = {address.subnet_id for address in has}
    mine = [one for one in subnets if is_automatic(one) and one.id not in there]
    return [
        _allocate(session, port, subnet, None, len(has) + place)
        for place, subnet in enumerate(mine)
    ]


def automatic_of(port: Port, subnets: Sequence[Subnet]) -> list[Address]:
    """Those of a port's addresses that its guest makes itself."""
    if port.device_owner in HELD:
        return []
    where = {subnet.id for subnet in subnets if is_automatic(subnet)}
    return [address for address in port.addresses if address.subnet_id in where]


def renew_automatic(session: Session, port: Port, subnets: Sequence[Subnet], now: datetime) -> None:
    """With another MAC a guest makes other addresses."""
    old = automatic_of(port, subnets)
    kept = [address for address in port.addresses if address not in old]
    for address in old:
        release(session, port, address, now)
    there = {address.subnet_id for address in old}
    again = [subnet for subnet in subnets if subnet.id in there]
    new = _automatic(session, port, again, kept)
    set_committed_value(port, "addresses", [*kept, *new])


def _allocate(
    session: Session, port: Port, subnet: Subnet, wished: str | None, place: int
) -> Address:
    if is_automatic(subnet) and port.device_owner not in HELD:
        own = own_address(subnet.cidr, port.mac_address)
        if wished is not None and str(parse_address(wished)) != own:
            raise BadRequest(
                f"Invalid input for operation: IPv6 address {wished} cannot be directly assigned "
                f"to a port on subnet {subnet.id} as the subnet is configured for automatic "
                "addresses."
            )
        wished = own
    return allocate(session, subnet, port.id, wished, place=place)


def _subnet_for(subnets: Sequence[Subnet], wish: FixedIp, network_id: str) -> Subnet:
    if wish.subnet_id is not None:
        for subnet in subnets:
            if subnet.id == wish.subnet_id:
                return subnet
        raise BadRequest(
            f"Invalid input for operation: Failed to create port on network {network_id}, because "
            f"fixed_ips included invalid subnet {wish.subnet_id}."
        )
    if wish.ip_address is None:
        raise BadRequest("IP allocation requires subnet_id or ip_address.")
    address = parse_address(wish.ip_address)
    for subnet in subnets:
        if address in IPNetwork(subnet.cidr):
            return subnet
    raise BadRequest(
        f"IP address {wish.ip_address} is not a valid IP for any of the subnets on the specified "
        f"network {network_id}.",
        kind="InvalidIpForNetwork",
    )


def release(session: Session, port: Port, address: Address, now: datetime) -> None:
    """Take an address from a port; a floating IP that led there leads nowhere then."""
    disassociate(session, port.id, now, address.ip_address)
    session.execute(
        delete(Address).where(Address.port_id == port.id, Address.ip_address == address.ip_address)
    )
    session.expunge(address)


def _guests(session: Session, network_id: str) -> Sequence[Port]:
    """The ports on a network that guests are behind."""
    return session.scalars(
        select(Port).where(
            Port.network_id == network_id,
            Port.removed.is_(False),
            Port.device_owner.not_in(HELD),
        )
    ).all()


def tell_guests_prefix(session: Session, subnet: Subnet, now: datetime) -> None:
    """Guests that are there already make an address in a new subnet where guests do."""
    for port in _guests(session, subnet.network_id):
        if not port.addresses:
            continue
        added = _automatic(session, port, [subnet], port.addresses)
        set_committed_value(port, "addresses", [*port.addresses, *added])
        port.touch(now)
        converge(session, port, now)
    session.flush()


def take_guests_prefix(session: Session, subnet: Subnet, now: datetime) -> None:
    """Guests lose what they made in a subnet that goes."""
    for port in _guests(session, subnet.network_id):
        gone = [address for address in port.addresses if address.subnet_id == subnet.id]
        for address in gone:
            release(session, port, address, now)
        if gone:
            session.expire(port, ["addresses"])
            port.touch(now)
            converge(session, port, now)
    session.flush()
