"""Ports: where something is plugged into a network, with its addresses and security groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from netaddr import IPNetwork
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, ForeignKey, Index, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from freehold.access import Caller, Limit, Rule, hold, require_room
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Listing, Routes, SortKey
from freehold.jobs import Converged
from freehold.network.address import Address, allocate, new_mac
from freehold.network.collection import boolean, chosen, listed
from freehold.network.floating_ip import disassociate
from freehold.network.network import Network
from freehold.network.network import visible as visible_networks
from freehold.network.quota import DEFAULTS, used
from freehold.network.security_group import PortGroup, SecurityGroup, default_group
from freehold.network.standard import Standard, Wish, converge, find, own_or, owner, remove
from freehold.network.subnet import Subnet, parse_address
from freehold.store import Base

ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"
ROUTER_PORTS = (ROUTER_INTERFACE, ROUTER_GATEWAY)
HELD = (*ROUTER_PORTS, FLOATING_IP)
"""Owners whose ports come and go with something else; the machine learns of them through that."""

RULES = [
    Rule("create_port", "rule:admin_or_member", "POST /ports"),
    Rule("create_port:binding", "rule:admin_required", "Say on which host a port is"),
    Rule("create_port:network_owner", "rule:admin_or_member", "Turn filtering off, choose a MAC"),
    Rule("get_port", "rule:logged_in", "GET /ports"),
    Rule("get_port:binding", "rule:admin_required", "See on which host a port is"),
    Rule("update_port", "rule:admin_or_member", "PUT /ports/{id}"),
    Rule("delete_port", "rule:admin_or_member", "DELETE /ports/{id}"),
]
MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")


class Port(Standard, Converged, Base):
    """One port.

    Attributes:
        host: The hypervisor that it is on; None while nowhere.
        made_for_server: The compute room made it, and it goes with its server.
        bound: The host says that OVN's flows for it are in place.
        vnic_type: Always ``normal``.
    """

    __tablename__ = "ports"

    network_id: Mapped[str] = mapped_column(ForeignKey("networks.id"), index=True)
    mac_address: Mapped[str]
    admin_state_up: Mapped[bool] = mapped_column(default=True)
    device_id: Mapped[str] = mapped_column(default="", index=True)
    device_owner: Mapped[str] = mapped_column(default="")
    port_security_enabled: Mapped[bool] = mapped_column(default=True)
    allowed_address_pairs: Mapped[list[Any]] = mapped_column(default=list)
    host: Mapped[str | None]
    made_for_server: Mapped[bool] = mapped_column(default=False)
    bound: Mapped[bool] = mapped_column(default=False)

    network: Mapped[Network] = relationship(Network, lazy="raise_on_sql", viewonly=True)
    addresses: Mapped[list[Address]] = relationship(
        Address, lazy="selectin", order_by=Address.place, viewonly=True
    )
    groups: Mapped[list[PortGroup]] = relationship(PortGroup, lazy="selectin", viewonly=True)

    __table_args__ = (
        UniqueConstraint("network_id", "mac_address"),
        Index("ix_ports_unsettled", "satisfied", "generation"),
    )

    @property
    def status(self) -> str:
        """As the API reference has it, computed from what was found."""
        if self.fault:
            return "ERROR"
        if self.device_owner == FLOATING_IP:
            return "N/A"
        up = self.bound or self.device_owner in ROUTER_PORTS
        return "ACTIVE" if up and self.admin_state_up else "DOWN"


def _mac(text: str) -> str:
    lowered = text.lower()
    if not MAC.match(lowered) or int(lowered[:2], 16) & 1 or lowered == "00:00:00:00:00:00":
        raise ValueError("is not a MAC address that a port can have")
    return lowered


class FixedIp(BaseModel):
    """An address asked for, by subnet, by address or by both."""

    model_config = ConfigDict(extra="forbid")
    subnet_id: str | None = Field(default=None, max_length=64)
    ip_address: str | None = Field(default=None, max_length=45)


class AddressPair(BaseModel):
    """A further address that the port may send from."""

    model_config = ConfigDict(extra="forbid")
    ip_address: str = Field(max_length=49)
    mac_address: Annotated[str, AfterValidator(_mac)] | None = None


class PortChange(Wish):
    """Body of PUT, and what POST has in common with it."""

    admin_state_up: bool = True
    device_id: str = Field(default="", max_length=255)
    device_owner: str = Field(default="", max_length=255)
    fixed_ips: list[FixedIp] | None = Field(default=None, max_length=20)
    mac_address: Annotated[str, AfterValidator(_mac)] | None = None
    security_groups: list[str] | None = Field(default=None, max_length=50)
    allowed_address_pairs: list[AddressPair] | None = Field(default=None, max_length=20)
    port_security_enabled: bool | None = None
    host: str | None = Field(default=None, alias="binding:host_id", max_length=255)
    vnic_type: str = Field(default="normal", alias="binding:vnic_type", pattern="^normal$")
    profile: dict[str, Any] | None = Field(default=None, alias="binding:profile", max_length=0)


class PortWish(PortChange):
    """Body of POST."""

    network_id: str = Field(max_length=64)


class _One(BaseModel):
    model_config = ConfigDict(extra="forbid")
    port: PortWish


class _Many(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ports: list[PortWish] = Field(min_length=1, max_length=100)


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid")
    port: PortChange


LISTING = Listing(
    id=Port.id,
    columns={
        "id": Port.id,
        "name": Port.name,
        "project_id": Port.project_id,
        "network_id": Port.network_id,
        "mac_address": Port.mac_address,
        "device_id": Port.device_id,
        "device_owner": Port.device_owner,
        "admin_state_up": Port.admin_state_up,
        "description": Port.description,
        "binding:host_id": Port.host,
    },
    parsers={"admin_state_up": boolean},
    default_sort=(SortKey("id"),),
)


def visible(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: own ports and all ports of own networks, as neutron shows them."""
    networks = select(Network.id).where(Network.project_id == caller.project_id)
    return own_or(caller, Port.project_id, Port.network_id.in_(networks))


def wire(call: Call, port: Port) -> dict[str, Any]:
    """One port in its wire form."""
    shown = port.standard_wire() | {
        "network_id": port.network_id,
        "mac_address": port.mac_address,
        "admin_state_up": port.admin_state_up,
        "status": port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "fixed_ips": [
            {"subnet_id": address.subnet_id, "ip_address": address.ip_address}
            for address in port.addresses
        ],
        "security_groups": sorted(group.security_group_id for group in port.groups),
        "port_security_enabled": port.port_security_enabled,
        "allowed_address_pairs": port.allowed_address_pairs,
        "binding:vnic_type": "normal",
        "extra_dhcp_opts": [],
    }
    if call.may("get_port:binding"):
        shown |= {
            "binding:host_id": port.host or "",
            "binding:vif_type": "ovs" if port.host else "unbound",
            "binding:vif_details": {"port_filter": True} if port.host else {},
            "binding:profile": {},
        }
    return shown


def _has_address(shown: dict[str, Any], asked: Sequence[str]) -> bool:
    """``fixed_ips=subnet_id=X`` or ``fixed_ips=ip_address=Y``; several mean any of them."""
    pairs = [text.partition("=")[::2] for text in asked]
    return any(fixed.get(name) == value for fixed in shown["fixed_ips"] for name, value in pairs)


def list_ports(call: Call) -> dict[str, Any]:
    """Ports that the caller may see."""
    statement = select(Port).where(Port.removed.is_(False), visible(call.caller))
    for text in call.many("fixed_ips"):
        name, _, value = text.partition("=")
        column = {"subnet_id": Address.subnet_id, "ip_address": Address.ip_address}.get(name)
        if not value or column is None:
            raise BadRequest(
                f"fixed_ips filters are subnet_id=… or ip_address=…, not {text[:64]!r}"
            )
    if asked := call.many("fixed_ips"):
        pairs = [text.partition("=")[::2] for text in asked]
        wanted = select(Address.port_id).where(
            Address.ip_address.in_([v for n, v in pairs if n == "ip_address"])
            | Address.subnet_id.in_([v for n, v in pairs if n == "subnet_id"])
        )
        statement = statement.where(Port.id.in_(wanted))
    if groups := call.many("security_groups"):
        filtered = select(PortGroup.port_id).where(PortGroup.security_group_id.in_(groups))
        statement = statement.where(Port.id.in_(filtered))
    return listed(
        call,
        "ports",
        LISTING,
        statement,
        lambda row: wire(call, row),
        computed={"status": lambda shown, asked: shown["status"] in asked},
    )


def show_port(call: Call, port_id: str) -> dict[str, Any]:
    """One port."""
    row = find(call.session, Port, port_id, visible(call.caller))
    return {"port": chosen(call, wire(call, row))}


def create_ports(call: Call, body: _One | _Many) -> dict[str, Any]:
    """Make one port, or several at once or none."""
    wishes = [body.port] if isinstance(body, _One) else body.ports
    shown = [wire(call, _create(call, wish)) for wish in wishes]
    return {"port": shown[0]} if isinstance(body, _One) else {"ports": shown}


def _create(call: Call, wish: PortWish) -> Port:
    network = find(call.session, Network, wish.network_id, visible_networks(call.caller))
    project_id = owner(call, wish, "create_port")
    owns = {"project_id": network.project_id}
    if not network.shared:
        call.enforce("create_port", owns)
    if wish.host is not None:
        call.enforce("create_port:binding")
    if wish.mac_address or wish.port_security_enabled is not None or wish.allowed_address_pairs:
        call.enforce("create_port:network_owner", owns)
    _require_free_owner(call, wish.device_owner)
    port = make_port(
        call.session,
        network,
        project_id,
        call.now,
        name=wish.name,
        description=wish.description,
        admin_state_up=wish.admin_state_up,
        device_id=wish.device_id,
        device_owner=wish.device_owner,
        host=wish.host or None,
        mac_address=wish.mac_address,
        port_security_enabled=wish.port_security_enabled,
        fixed_ips=wish.fixed_ips,
        security_groups=wish.security_groups,
    )
    if wish.allowed_address_pairs:
        port.allowed_address_pairs = _pairs(port, wish.allowed_address_pairs)
    call.audit("create", "port", port.id)
    return port


def _require_free_owner(call: Call, device_owner: str) -> None:
    if device_owner.startswith("network:") and not call.caller.is_admin:
        raise BadRequest(f"device_owner {device_owner!r} is for the cloud's own ports.")


def make_port(
    session: Session,
    network: Network,
    project_id: str,
    now: Any,
    *,
    fixed_ips: list[FixedIp] | None = None,
    security_groups: list[str] | None = None,
    mac_address: str | None = None,
    port_security_enabled: bool | None = None,
    **columns: Any,
) -> Port:
    """A new port with addresses and groups, in the open transaction; for every room of this API.

    Args:
        fixed_ips: None chooses one address per IP version that the network has; an empty list
            gives none.
        security_groups: None gives the project's default group.
        columns: Further columns of the row.

    Raises:
        BadRequest, Conflict, QuotaExceeded: As the tenant's own request would.
    """
    held = columns.get("device_owner") in HELD
    if not held:
        hold(session, project_id, "network")
        room = [Limit("port", used(session, Port, project_id))]
        require_room(session, project_id, "network", DEFAULTS, room)
    secure = (
        network.port_security_enabled if port_security_enabled is None else port_security_enabled
    )
    port = Port(
        project_id=project_id,
        network_id=network.id,
        mac_address=_free_mac(session, network.id, mac_address),
        port_security_enabled=secure and not held,
        created_at=now,
        updated_at=now,
        revision_number=1,
        generation=0,
        satisfied=0,
        found={},
        allowed_address_pairs=[],
        **columns,
    )
    session.add(port)
    session.flush()
    router = port.device_owner in ROUTER_PORTS
    place_addresses(session, port, fixed_ips, router=router)
    if not held:
        groups = security_groups
        if groups is None and secure:
            groups = [default_group(session, project_id, now).id]
        set_groups(session, port, groups or [], secure)
        converge(session, port, now)
    session.refresh(port, ["addresses", "groups"])
    return port


def _free_mac(session: Session, network_id: str, wished: str | None) -> str:
    """The MAC asked for if nobody on the network has it, else a random one that nobody has."""
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


def place_addresses(
    session: Session, port: Port, wished: list[FixedIp] | None, *, router: bool = False
) -> None:
    """Give a port its addresses."""
    subnets = session.scalars(
        select(Subnet)
        .where(Subnet.network_id == port.network_id, Subnet.removed.is_(False))
        .order_by(Subnet.created_at, Subnet.id)
    ).all()
    if wished is None:
        _place_automatically(session, port, subnets, router=router)
        return
    for place, wish in enumerate(wished):
        subnet = _subnet_for(subnets, wish, port.network_id)
        allocate(session, subnet, port.id, wish.ip_address, place=place, router=router)


def _place_automatically(
    session: Session, port: Port, subnets: Sequence[Subnet], *, router: bool
) -> None:
    """One address of each IP version, from the first subnet that has one left."""
    for place, version in enumerate((4, 6)):
        full: Conflict | None = None
        for subnet in (subnet for subnet in subnets if subnet.ip_version == version):
            try:
                allocate(session, subnet, port.id, None, place=place, router=router)
            except Conflict as error:
                full = error
                continue
            full = None
            break
        if full is not None:
            raise full


def _subnet_for(subnets: Sequence[Subnet], wish: FixedIp, network_id: str) -> Subnet:
    if wish.subnet_id is not None:
        for subnet in subnets:
            if subnet.id == wish.subnet_id:
                return subnet
        raise BadRequest(
            f"Invalid input for operation: subnet {wish.subnet_id} is not on network {network_id}.",
            kind="InvalidInput",
        )
    if wish.ip_address is None:
        raise BadRequest("IP allocation requires subnet_id or ip_address.", kind="InvalidInput")
    address = parse_address(wish.ip_address)
    for subnet in subnets:
        if address in IPNetwork(subnet.cidr):
            return subnet
    raise BadRequest(
        f"IP address {wish.ip_address} is not a valid IP for any of the subnets on network "
        f"{network_id}.",
        kind="InvalidIpForNetwork",
    )


def set_groups(session: Session, port: Port, group_ids: list[str], secure: bool) -> None:
    """Filter a port by these groups and no others."""
    wanted = set(group_ids)
    if wanted and not secure:
        raise Conflict(
            "Port has security group associated. Cannot disable port security or ip address until "
            "security group is removed.",
            kind="PortSecurityPortHasSecurityGroup",
        )
    for group_id in wanted:
        own = SecurityGroup.project_id == port.project_id
        find(session, SecurityGroup, group_id, own)
    session.execute(delete(PortGroup).where(PortGroup.port_id == port.id))
    session.add_all(PortGroup(port_id=port.id, security_group_id=group) for group in wanted)
    session.flush()


def _pairs(port: Port, wished: list[AddressPair]) -> list[dict[str, str]]:
    if not port.port_security_enabled:
        raise Conflict(
            "Allowed address pairs need port security.", kind="AddressPairAndPortSecurityRequired"
        )
    pairs = []
    for pair in wished:
        network = _pair_network(pair.ip_address)
        said = {"ip_address": network, "mac_address": pair.mac_address or port.mac_address}
        if said in pairs:
            raise BadRequest("An allowed address pair is named twice.", kind="DuplicateAddressPair")
        pairs.append(said)
    return pairs


def _pair_network(text: str) -> str:
    from freehold.network.subnet import parse_route

    network = parse_route(text)
    return str(network) if "/" in text else str(network.ip)


def update_port(call: Call, port_id: str, body: _Change) -> dict[str, Any]:
    """Change a port."""
    port = find(call.session, Port, port_id, visible(call.caller))
    call.enforce("update_port", {"project_id": port.project_id})
    wish, said = body.port, body.port.model_fields_set
    if "host" in said:
        call.enforce("create_port:binding")
        port.host = wish.host or None
    if "device_owner" in said and wish.device_owner != port.device_owner:
        _require_free_owner(call, wish.device_owner)
    for name in said & {"name", "description", "admin_state_up", "device_id", "device_owner"}:
        setattr(port, name, getattr(wish, name))
    if "mac_address" in said and wish.mac_address and wish.mac_address != port.mac_address:
        call.enforce("create_port:binding")
        port.mac_address = _free_mac(call.session, port.network_id, wish.mac_address)
    if "fixed_ips" in said and wish.fixed_ips is not None:
        change_addresses(call.session, port, wish.fixed_ips)
    _change_security(call, port, wish)
    port.touch(call.now)
    if port.device_owner not in HELD:
        converge(call.session, port, call.now)
    call.session.flush()
    call.session.refresh(port, ["addresses", "groups"])
    call.audit("update", "port", port.id)
    return {"port": wire(call, port)}


def change_addresses(session: Session, port: Port, wished: list[FixedIp]) -> None:
    """Other addresses; those named again stay the port's."""
    before = {(a.subnet_id, a.ip_address) for a in port.addresses}
    kept = [
        FixedIp(subnet_id=subnet_id, ip_address=address)
        for wish in wished
        for subnet_id, address in before
        if wish.subnet_id in (None, subnet_id) and wish.ip_address in (None, address)
    ]
    resolved = [next((k for k in kept if _same(k, wish)), wish) for wish in wished]
    session.execute(delete(Address).where(Address.port_id == port.id))
    session.flush()
    session.expire(port, ["addresses"])
    place_addresses(session, port, resolved, router=port.device_owner in ROUTER_PORTS)


def _same(kept: FixedIp, wish: FixedIp) -> bool:
    return wish.subnet_id in (None, kept.subnet_id) and wish.ip_address in (None, kept.ip_address)


def _change_security(call: Call, port: Port, wish: PortChange) -> None:
    said = wish.model_fields_set
    secure = port.port_security_enabled
    if "port_security_enabled" in said and wish.port_security_enabled is not None:
        network = call.session.get_one(Network, port.network_id)
        call.enforce("create_port:network_owner", {"project_id": network.project_id})
        secure = wish.port_security_enabled
    groups = [group.security_group_id for group in port.groups]
    if "security_groups" in said:
        groups = wish.security_groups or []
    if "security_groups" in said or secure != port.port_security_enabled:
        set_groups(call.session, port, groups, secure)
    port.port_security_enabled = secure
    if "allowed_address_pairs" in said:
        port.allowed_address_pairs = _pairs(port, wish.allowed_address_pairs or [])


def delete_port(call: Call, port_id: str) -> None:
    """Remove a port; a router's or a floating IP's own goes with that instead."""
    port = find(call.session, Port, port_id, visible(call.caller))
    call.enforce("delete_port", {"project_id": port.project_id})
    if port.device_owner in HELD:
        raise Conflict(
            f"Port {port_id} cannot be deleted directly via the port API: has device owner "
            f"{port.device_owner}.",
            kind="ServicePortInUse",
        )
    drop_port(call.session, port, call.now)
    call.audit("delete", "port", port.id)


def ports_of_router_ids(session: Session, router_ids: Sequence[str]) -> dict[str, list[Port]]:
    """The ports of routers, in one query."""
    found: dict[str, list[Port]] = {}
    for port in session.scalars(
        select(Port)
        .where(
            Port.device_id.in_(list(router_ids)),
            Port.device_owner.in_(ROUTER_PORTS),
            Port.removed.is_(False),
        )
        .order_by(Port.created_at, Port.id)
    ):
        found.setdefault(port.device_id, []).append(port)
    return found


def drop_port(session: Session, port: Port, now: Any) -> None:
    """Let a port go: its addresses, groups and MAC are free at once.

    The document that makes a successor with the same address also carries this removal, in one
    OVN transaction. Ports that come with a router or a floating IP are rows only.
    """
    disassociate(session, port.id, now)
    if port.device_owner in HELD:
        session.delete(port)
        session.flush()
        return
    session.execute(delete(Address).where(Address.port_id == port.id))
    session.execute(delete(PortGroup).where(PortGroup.port_id == port.id))
    session.expire(port, ["addresses", "groups"])
    port.mac_address = f"removed {port.id}"
    port.device_id = ""
    remove(session, port, now)
    session.flush()


def routes(table: Routes) -> None:
    """Add the routes of ports."""
    table.add("GET", "/ports", list_ports, policy="get_port")
    table.add("POST", "/ports", create_ports, policy="get_port", status=201)
    table.add("GET", "/ports/{port_id}", show_port, policy="get_port")
    table.add("PUT", "/ports/{port_id}", update_port, policy="get_port")
    table.add("DELETE", "/ports/{port_id}", delete_port, policy="get_port", status=204)
