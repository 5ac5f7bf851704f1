"""Ports: where something is plugged into a network, with its addresses and security groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, UniqueConstraint, or_, select
from sqlalchemy.orm import Mapped, Session, lazyload, mapped_column, relationship

from freehold.access import Caller, Rule
from freehold.errors import BadRequest
from freehold.http import Call, Listing, SortKey
from freehold.jobs import Converged
from freehold.network.address import Address
from freehold.network.collection import boolean, listed, one
from freehold.network.network import Network
from freehold.network.security_group import PortGroup
from freehold.network.standard import Standard, find, own_or
from freehold.network.tag import tags_of
from freehold.store import OWNERS, Base, related

ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"
ROUTER_PORTS = (ROUTER_INTERFACE, ROUTER_GATEWAY)
HELD = (*ROUTER_PORTS, FLOATING_IP)
"""Owners whose ports come and go with something else; the machine learns of them through that."""
NOBODY = ""
"""The project of gateways' and floating IPs' ports: they are the cloud's, as in neutron."""
SECRET = [f"binding:{name}" for name in ("host_id", "vif_type", "vif_details", "profile")]

RULES = [
    Rule("get_port", "rule:logged_in", "GET /ports"),
    *(Rule(f"get_port:{name}", "rule:admin_required", f"See {name}") for name in SECRET),
]


class Port(Standard, Converged, Base):
    """One port.

    Attributes:
        host: The hypervisor that it is on; None while nowhere.
        server_id: The server that it is plugged into. Only the compute room says so;
            ``device_id`` shows it too, but that is a text that tenants may write.
        made_for_server: The compute room made it, and it goes with its server.
        device_tag: What the server's tenant calls this interface in the guest's metadata.
        bound: The host says that OVN's flows for it are in place.
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
    server_id: Mapped[str | None] = mapped_column(index=True)
    made_for_server: Mapped[bool] = mapped_column(default=False)
    device_tag: Mapped[str | None] = mapped_column(default=None)
    bound: Mapped[bool] = mapped_column(default=False)

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
        return status_of(self)


def status_of(port: Any) -> str:
    """The status of a port, or of a row of a query that has the columns which decide it."""
    if port.fault:
        return "ERROR"
    if port.device_owner == FLOATING_IP:
        return "N/A"
    up = port.bound or port.device_owner in ROUTER_PORTS
    return "ACTIVE" if up and port.admin_state_up else "DOWN"


LISTING = Listing(
    id=Port.id,
    columns={
        "binding:host_id": Port.host,
        **{
            name: getattr(Port, name)
            for name in (
                *("id", "name", "project_id", "description", "created_at", "updated_at"),
                *("network_id", "mac_address", "device_id", "device_owner", "admin_state_up"),
                "port_security_enabled",
            )
        },
    },
    parsers={
        "admin_state_up": boolean,
        "port_security_enabled": boolean,
        "mac_address": str.lower,
    },
    default_sort=(SortKey("id"),),
)


_ADDRESSES = (
    select(Address.port_id, Address.subnet_id, Address.ip_address)
    .where(Address.port_id.in_(OWNERS))
    .order_by(Address.place)
)
_GROUPS = (
    select(PortGroup.port_id, PortGroup.security_group_id)
    .where(PortGroup.port_id.in_(OWNERS))
    .order_by(PortGroup.security_group_id)
)


def visible(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: own ports and all ports of own networks, as neutron shows them."""
    networks = select(Network.id).where(Network.project_id == caller.project_id)
    return own_or(caller, Port.project_id, Port.network_id.in_(networks))


def _hidden(call: Call) -> list[str]:
    """Attributes that the caller does not see."""
    return [name for name in SECRET if not call.may(f"get_port:{name}")]


def views(call: Call, rows: Sequence[Port]) -> list[dict[str, Any]]:
    """Ports in their wire form."""
    hidden = _hidden(call)
    ids = [row.id for row in rows]
    tags = tags_of(call.session, ids)
    addresses = related(call.session, _ADDRESSES, ids)
    groups = related(call.session, _GROUPS, ids)
    shown = []
    for row in rows:
        entry = _wire(row)
        entry["fixed_ips"] = _fixed_ips(addresses.get(row.id, ()))
        entry["security_groups"] = [group_id for _, group_id in groups.get(row.id, ())]
        entry["tags"] = tags.get(row.id, [])
        for name in hidden:
            del entry[name]
        shown.append(entry)
    return shown


def fixed_ips(port: Port) -> list[dict[str, str]]:
    """A port's addresses in their wire form, which the machine's document shares."""
    return _fixed_ips(port.addresses)


def _fixed_ips(addresses: Sequence[Any]) -> list[dict[str, str]]:
    return [
        {"subnet_id": address.subnet_id, "ip_address": address.ip_address} for address in addresses
    ]


def _wire(port: Port) -> dict[str, Any]:
    return port.standard_wire() | {
        "network_id": port.network_id,
        "mac_address": port.mac_address,
        "admin_state_up": port.admin_state_up,
        "status": port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "fixed_ips": [],
        "security_groups": [],
        "port_security_enabled": port.port_security_enabled,
        "allowed_address_pairs": port.allowed_address_pairs,
        "binding:vnic_type": "normal",
        "binding:host_id": port.host or "",
        "binding:vif_type": "ovs" if port.host else "unbound",
        "binding:vif_details": {"port_filter": True} if port.host else {},
        "binding:profile": {},
    }


def list_ports(call: Call) -> dict[str, Any]:
    """Ports that the caller may see."""
    statement = select(Port).where(Port.removed.is_(False), visible(call.caller))
    statement = statement.options(lazyload(Port.addresses), lazyload(Port.groups))
    statement = _filtered_by_address(call, statement)
    if groups := call.many("security_groups"):
        filtered = select(PortGroup.port_id).where(PortGroup.security_group_id.in_(groups))
        statement = statement.where(Port.id.in_(filtered))
    return listed(call, "ports", LISTING, statement, views, secret=_hidden(call))


def _filtered_by_address(call: Call, statement: Select[Any]) -> Select[Any]:
    """``fixed_ips=subnet_id=X``, ``=ip_address=Y``, ``=ip_address_substr=Z``: one address must have
    one of each kind that is asked for.
    """
    asked: dict[str, list[str]] = {}
    for text in call.many("fixed_ips"):
        name, _, value = text.partition("=")
        if name not in ("subnet_id", "ip_address", "ip_address_substr") or "\0" in value:
            raise BadRequest(
                "fixed_ips filters are subnet_id=…, ip_address=… or ip_address_substr=…, not "
                f"{text[:64]!r}"
            )
        asked.setdefault(name, []).append(value)
    if not asked:
        return statement
    parts = asked.pop("ip_address_substr", [])
    had = select(Address.port_id).where(
        *(getattr(Address, name).in_(values) for name, values in asked.items())
    )
    if parts:
        had = had.where(
            or_(*(Address.ip_address.contains(part, autoescape=True) for part in parts))
        )
    return statement.where(Port.id.in_(had))


def show_port(call: Call, port_id: str) -> dict[str, Any]:
    """One port."""
    row = find(call.session, Port, port_id, visible(call.caller))
    return {"port": one(call, views, row)}


def ports_of_routers(session: Session, router_ids: Sequence[str]) -> dict[str, list[Port]]:
    """The gateways and interfaces of routers in the order in which they were made, in one query."""
    found: dict[str, list[Port]] = {}
    rows = session.scalars(
        select(Port)
        .where(
            Port.device_id.in_(list(router_ids)),
            Port.device_owner.in_(ROUTER_PORTS),
            Port.removed.is_(False),
        )
        .order_by(Port.created_at, Port.id)
    )
    for port in rows:
        found.setdefault(port.device_id, []).append(port)
    return found
