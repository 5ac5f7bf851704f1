"""Making ports and letting them go, for every file of this room that needs one.

Everything happens in the open transaction; what it refuses reads as the tenant's own request would.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from freehold.access import Limit, require_room
from freehold.errors import Conflict, NotFound
from freehold.network.address import Address, new_mac
from freehold.network.floating_ip import disassociate
from freehold.network.network import Network
from freehold.network.port import HELD, Port
from freehold.network.port_address import choose_addresses, replace_addresses
from freehold.network.port_request import FixedIp
from freehold.network.quota import DEFAULTS, used
from freehold.network.security_group import PortGroup, SecurityGroup, default_group_id
from freehold.network.standard import fresh, remove, want_network
from freehold.network.tag import forget_tags
from freehold.store import lock


def make_port(
    session: Session,
    network: Network,
    project_id: str,
    now: datetime,
    *,
    fixed_ips: Sequence[FixedIp] | None = None,
    versions: Sequence[int] = (4, 6),
    security_groups: Sequence[str] | None = None,
    mac_address: str | None = None,
    port_security_enabled: bool | None = None,
    **columns: Any,
) -> Port:
    """A new port with its addresses and groups. The caller holds the quota and the network.

    Args:
        fixed_ips: None chooses one address per IP version that the network has, and one of each
            subnet where guests make their own; an empty list gives none.
        versions: IP versions to choose from.
        security_groups: Ids; None gives the project's default group.
        port_security_enabled: None takes the network's.
        columns: Further columns of the row. A port of one of the owners in ``HELD`` is neither
            filtered nor told to the machine by itself, and does not count for quota.

    Raises:
        BadRequest, Conflict, NotFound, QuotaExceeded: The wish cannot be had.
    """
    held = columns.get("device_owner") in HELD
    if not held:
        room = [Limit("port", used(session, Port, project_id))]
        require_room(session, project_id, "network", DEFAULTS, room)
    if port_security_enabled is None:
        port_security_enabled = network.port_security_enabled
    secure = port_security_enabled and not held
    born = fresh(now) | ({"generation": 0, "deadline": None} if held else {})
    port = Port(
        **born,
        project_id=project_id,
        network_id=network.id,
        mac_address=free_mac(session, network.id, mac_address),
        port_security_enabled=secure,
        **{"allowed_address_pairs": [], "device_id": "", "device_owner": ""} | columns,
    )
    session.add(port)
    session.flush()
    if fixed_ips is None:
        choose_addresses(session, port, network.subnets, versions)
    else:
        replace_addresses(session, port, network.subnets, [(wish, None) for wish in fixed_ips])
    if security_groups is None:
        group_ids = [default_group_id(session, project_id, now)] if secure else []
    else:
        group_ids = known_groups(session, project_id, security_groups)
    set_groups(session, port, group_ids, secure, new=True)
    if not held:
        want_network(session, now)
    return port


def free_mac(session: Session, network_id: str, wished: str | None) -> str:
    """The MAC asked for if nobody on the network has it, else a random one that nobody has."""
    if wished:
        lock(session, "mac", network_id)
    while True:
        mac = wished or new_mac()
        taken = select(Port.id).where(Port.network_id == network_id, Port.mac_address == mac)
        if session.execute(taken).first() is None:
            return mac
        if wished:
            raise Conflict(
                f"Unable to complete operation for network {network_id}. The mac address {mac} is "
                "in use.",
                kind="MacAddressInUse",
            )


def known_groups(session: Session, project_id: str, group_ids: Sequence[str]) -> list[str]:
    """The ids, each once, if all are groups of the project.

    Raises:
        NotFound: One is not.
    """
    wanted = set(group_ids)
    if not wanted:
        return []
    known = set(
        session.scalars(
            select(SecurityGroup.id).where(
                SecurityGroup.id.in_(wanted),
                SecurityGroup.project_id == project_id,
                SecurityGroup.removed.is_(False),
            )
        )
    )
    for missing in sorted(wanted - known):
        raise NotFound(f"Security group {missing} does not exist", kind="SecurityGroupNotFound")
    return sorted(wanted)


def set_groups(
    session: Session, port: Port, group_ids: Sequence[str], secure: bool, *, new: bool = False
) -> None:
    """Filter a port by these groups, which are known, and no others."""
    if group_ids and not secure:
        raise Conflict(
            "Port has security group associated. Cannot disable port security or ip address until "
            "security group is removed.",
            kind="PortSecurityPortHasSecurityGroup",
        )
    if not new:
        session.execute(delete(PortGroup).where(PortGroup.port_id == port.id))
    rows = [PortGroup(port_id=port.id, security_group_id=group) for group in group_ids]
    session.add_all(rows)
    session.flush()
    set_committed_value(port, "groups", rows)


def drop_port(session: Session, port: Port, now: datetime) -> None:
    """Let a port go: its addresses, groups and MAC are free at once.

    The document that makes a successor with the same address also carries this removal, in one
    OVN transaction. Ports that came with a router or a floating IP are rows only; one that a router
    took over was told to the machine by itself before.
    """
    disassociate(session, port.id, now)
    forget_tags(session, port.id)
    if port.device_owner in HELD and port.generation == 0:
        session.delete(port)
        session.flush()
        return
    session.execute(delete(Address).where(Address.port_id == port.id))
    session.execute(delete(PortGroup).where(PortGroup.port_id == port.id))
    session.expire(port, ["addresses", "groups"])
    port.mac_address = f"removed {port.id}"
    port.device_id = port.device_owner = ""
    port.server_id = None
    remove(session, port, now)
    session.flush()
