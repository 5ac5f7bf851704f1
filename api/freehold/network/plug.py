"""What the compute room may ask: plug a server into networks, take it out, tell of its ports.

Everything happens in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from freehold.access import Caller, hold
from freehold.errors import BadRequest, Conflict, Forbidden
from freehold.network.address import Address
from freehold.network.floating_ip import FloatingIp
from freehold.network.network import Network, lock_networks, tenant_networks, usable
from freehold.network.port import HELD, Port, status_of
from freehold.network.port import visible as visible_ports
from freehold.network.port_make import drop_port, make_port
from freehold.network.port_request import FixedIp
from freehold.network.security_group import PortGroup, SecurityGroup, require_groups
from freehold.network.standard import converge, find
from freehold.network.subnet import Subnet

OWNER = "compute:nova"
CHOOSE_ADDRESS = "create_port:fixed_ips:ip_address"
May = Callable[[str, Mapping[str, Any]], bool]


@dataclass(frozen=True)
class PortWish:
    """What a server wants to be plugged into: a port that is there, or a new one on a network."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class SubnetView:
    """A subnet as guests are told of it."""

    id: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    dns_nameservers: Sequence[str]
    host_routes: Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class FixedIpView:
    """One address of a port."""

    address: str
    version: int
    subnet: SubnetView

    @property
    def subnet_id(self) -> str:
        """The subnet that it is from."""
        return self.subnet.id


@dataclass(frozen=True)
class GroupView:
    """A security group by id and name."""

    id: str
    name: str


@dataclass(frozen=True)
class PortView:
    """A server's port with everything that the server's own views need."""

    id: str
    mac_address: str
    mtu: int
    status: str
    bound: bool
    network_id: str
    network_name: str
    fixed_ips: Sequence[FixedIpView]
    floating_ips: Sequence[str]
    security_groups: Sequence[GroupView]
    tag: str | None = None


def plug(
    session: Session,
    caller: Caller,
    may: May,
    server_id: str,
    project_id: str,
    host: str,
    wishes: Sequence[PortWish] | None,
    security_groups: Sequence[str] | None,
    now: datetime,
) -> list[PortView]:
    """Give a server its ports on a host.

    Args:
        may: Whether policy lets the caller do something (``Call.may``).
        wishes: None plugs it into the one network that the project can use; none at all if it has
            none. An empty list plugs it into nothing.
        security_groups: Names or ids, for ports made here; None gives the default group.

    Raises:
        NotFound: A network or port that the caller may not see.
        BadRequest: A security group that is unknown, an address outside, another project's port.
        Forbidden: An external network, for others than operators; an address of one's choice on a
            network that another project shares.
        Conflict: Several networks to choose from, a port in use, an address taken, no address left.
        QuotaExceeded: No room for more ports.
    """
    hold(session, project_id, "network")
    if wishes is None:
        wishes = _only_network(session, project_id)
    lock_networks(session, [wish.network_id for wish in wishes if wish.network_id])
    groups = (
        None
        if security_groups is None
        else require_groups(session, project_id, list(security_groups))
    )
    for wish in wishes:
        if wish.port_id is not None:
            _take(session, caller, wish, server_id, project_id, host, now)
        else:
            _make(session, caller, may, wish, server_id, project_id, host, groups, now)
    session.flush()
    return ports_of(session, [server_id]).get(server_id, [])


def _only_network(session: Session, project_id: str) -> list[PortWish]:
    networks = tenant_networks(session, project_id)
    if len(networks) > 1:
        raise Conflict(
            "Multiple possible networks found, use a Network ID to be more specific.",
            kind="NetworkAmbiguous",
        )
    return [PortWish(network_id=network.id) for network in networks]


def _take(
    session: Session,
    caller: Caller,
    wish: PortWish,
    server_id: str,
    project_id: str,
    host: str,
    now: datetime,
) -> None:
    """Use a port that the tenant brought; it stays theirs when the server goes."""
    port_id = wish.port_id or ""
    port = find(session, Port, port_id, visible_ports(caller))
    if port.project_id != project_id:
        raise BadRequest(
            f"Port {port_id} not usable for instance {server_id}: it belongs to another project.",
            kind="PortNotUsable",
        )
    if port.device_id or port.server_id or port.device_owner in HELD:
        raise Conflict(f"Port {port_id} is still in use.", kind="PortInUse")
    if not port.addresses and port.port_security_enabled:
        raise BadRequest(
            f"Port {port_id} requires a FixedIP in order to be used.", kind="PortRequiresFixedIP"
        )
    port.device_id = port.server_id = server_id
    port.device_owner, port.host = OWNER, host
    port.made_for_server, port.device_tag = False, wish.tag
    port.touch(now)
    converge(session, port, now)


def _make(
    session: Session,
    caller: Caller,
    may: May,
    wish: PortWish,
    server_id: str,
    project_id: str,
    host: str,
    groups: list[str] | None,
    now: datetime,
) -> None:
    network = find(session, Network, wish.network_id or "", usable(caller))
    if network.external and not caller.is_admin:
        raise Forbidden(
            f"It is not allowed to create an interface on external network {network.id}",
            kind="ExternalNetworkAttachForbidden",
        )
    owned = {"project_id": project_id, "network:project_id": network.project_id}
    if wish.fixed_ip and not may(CHOOSE_ADDRESS, owned):
        raise Forbidden(f"Policy doesn't allow {CHOOSE_ADDRESS} to be performed.")
    if not network.subnets:
        raise BadRequest(
            f"Network {network.id} requires a subnet in order to boot instances on.",
            kind="NetworkRequiresSubnet",
        )
    make_port(
        session,
        network,
        project_id,
        now,
        fixed_ips=[FixedIp(ip_address=wish.fixed_ip)] if wish.fixed_ip else None,
        security_groups=groups,
        device_id=server_id,
        server_id=server_id,
        device_owner=OWNER,
        host=host,
        made_for_server=True,
        device_tag=wish.tag,
    )


def unplug(session: Session, server_id: str, now: datetime, port_id: str | None = None) -> None:
    """Take a server out of all its networks: ports made for it go, the tenant's own are free.

    Args:
        port_id: Take out this port of it only.
    """
    theirs = select(Port).where(Port.server_id == server_id, Port.removed.is_(False))
    if port_id is not None:
        theirs = theirs.where(Port.id == port_id)
    for port in session.scalars(theirs).all():
        if port.made_for_server:
            drop_port(session, port, now)
            continue
        port.device_id = port.device_owner = ""
        port.server_id = port.host = port.device_tag = None
        port.bound = False
        port.touch(now)
        converge(session, port, now)


Hearer = Callable[[Session, str, datetime], None]
"""Called in the open transaction with the id of a server that lost a port."""
_HEARERS: list[Hearer] = []


def hear_of_lost_ports(hearer: Hearer) -> None:
    """Let a room that has servers know when a tenant deletes a port of one.

    Said once, when that room is imported: so it hears, and this room need not know it.
    """
    _HEARERS.append(hearer)


def lose_port(session: Session, port: Port, now: datetime) -> None:
    """Remove a port by its own API; whoever has the server that it is plugged into hears of it."""
    server_id = port.server_id
    drop_port(session, port, now)
    if server_id is not None:
        for hearer in _HEARERS:
            hearer(session, server_id, now)


def ports_bound(session: Session, bound: Mapping[str, bool], now: datetime) -> None:
    """Keep what a host says of the ports on it: whether OVN's flows for them are in place."""
    if not bound:
        return
    for port in session.scalars(select(Port).where(Port.id.in_(list(bound)))).all():
        if port.bound != bound[port.id]:
            port.bound = bound[port.id]
            port.touch(now)


_PORTS = (
    select(
        Port.id,
        Port.server_id,
        Port.mac_address,
        Port.bound,
        Port.fault,
        Port.device_owner,
        Port.admin_state_up,
        Port.device_tag,
        Network.id.label("network_id"),
        Network.name.label("network_name"),
        Network.mtu,
    )
    .join(Network, Network.id == Port.network_id)
    .where(Port.server_id.in_(bindparam("servers", expanding=True)), Port.removed.is_(False))
    .order_by(Port.created_at, Port.id)
)


def ports_of(session: Session, server_ids: Sequence[str]) -> dict[str, list[PortView]]:
    """The ports of servers, in the order in which they were plugged; a few queries for all.

    They read columns and not entities: a list of a thousand servers has a thousand ports.
    """
    rows = session.execute(_PORTS, {"servers": list(server_ids)}).all()
    if not rows:
        return {}
    port_ids = [port.id for port in rows]
    fixed = _fixed(session, port_ids)
    floating = _floating(session, port_ids)
    groups = _groups(session, port_ids)
    found: dict[str, list[PortView]] = {}
    for port in rows:
        found.setdefault(port.server_id, []).append(
            PortView(
                id=port.id,
                mac_address=port.mac_address,
                mtu=port.mtu,
                status=status_of(port),
                bound=port.bound,
                network_id=port.network_id,
                network_name=port.network_name,
                fixed_ips=fixed.get(port.id, []),
                floating_ips=floating.get(port.id, []),
                security_groups=groups.get(port.id, []),
                tag=port.device_tag,
            )
        )
    return found


def _fixed(session: Session, port_ids: Sequence[str]) -> dict[str, list[FixedIpView]]:
    addresses = session.execute(
        select(Address.port_id, Address.subnet_id, Address.ip_address)
        .where(Address.port_id.in_(port_ids))
        .order_by(Address.place)
    ).all()
    subnets = _subnets(session, {address.subnet_id for address in addresses})
    found: dict[str, list[FixedIpView]] = {}
    for port_id, subnet_id, ip_address in addresses:
        subnet = subnets[subnet_id]
        view = FixedIpView(ip_address, subnet.ip_version, subnet)
        found.setdefault(port_id, []).append(view)
    return found


def _subnets(session: Session, ids: Collection[str]) -> dict[str, SubnetView]:
    rows = session.execute(
        select(
            Subnet.id,
            Subnet.ip_version,
            Subnet.cidr,
            Subnet.gateway_ip,
            Subnet.enable_dhcp,
            Subnet.dns_nameservers,
            Subnet.host_routes,
        ).where(Subnet.id.in_(ids))
    )
    return {row.id: SubnetView(*row) for row in rows}


def _floating(session: Session, port_ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for port_id, address in session.execute(
        select(FloatingIp.port_id, FloatingIp.floating_ip_address).where(
            FloatingIp.port_id.in_(port_ids), FloatingIp.removed.is_(False)
        )
    ):
        found.setdefault(str(port_id), []).append(address)
    return found


def _groups(session: Session, port_ids: Sequence[str]) -> dict[str, list[GroupView]]:
    found: dict[str, list[GroupView]] = {}
    views: dict[str, GroupView] = {}
    for port_id, group_id, name in session.execute(
        select(PortGroup.port_id, SecurityGroup.id, SecurityGroup.name)
        .join(SecurityGroup, SecurityGroup.id == PortGroup.security_group_id)
        .where(PortGroup.port_id.in_(port_ids))
        .order_by(SecurityGroup.name)
    ):
        view = views.setdefault(group_id, GroupView(group_id, name))
        found.setdefault(port_id, []).append(view)
    return found
