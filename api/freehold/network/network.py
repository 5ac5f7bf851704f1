"""Networks: a layer-2 domain each; tenants' own, or the operator's way outside."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Index, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from freehold.access import Caller, Limit, Rule, hold, require_room
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Listing, Routes, SortKey
from freehold.jobs import Converged
from freehold.network.collection import boolean, chosen, listed
from freehold.network.quota import DEFAULTS, used
from freehold.network.standard import Standard, Wish, converge, find, own_or, owner, remove
from freehold.store import Base

UNDERLAY_MTU = 1500
VXLAN_OVERHEAD = 50
TUNNELLED = "vxlan"

RULES = [
    Rule("create_network", "rule:admin_or_member", "POST /networks"),
    Rule("create_network:shared", "rule:admin_required", "Make a network for all projects"),
    Rule("create_network:router:external", "rule:admin_required", "Make a way outside"),
    Rule("create_network:provider", "rule:admin_required", "Choose a physical network"),
    Rule("get_network", "rule:logged_in", "GET /networks"),
    Rule("get_network:provider", "rule:admin_required", "See physical networks"),
    Rule("update_network", "rule:admin_or_member", "PUT /networks/{id}"),
    Rule("delete_network", "rule:admin_or_member", "DELETE /networks/{id}"),
]


class Network(Standard, Converged, Base):
    """One network.

    Attributes:
        mtu: Bytes that a port can send; VXLAN takes 50 of the underlay's 1500.
        network_type: ``vxlan``, or ``flat`` / ``vlan`` on ``physical_network``.
    """

    __tablename__ = "networks"

    admin_state_up: Mapped[bool] = mapped_column(default=True)
    shared: Mapped[bool] = mapped_column(default=False)
    external: Mapped[bool] = mapped_column(default=False)
    port_security_enabled: Mapped[bool] = mapped_column(default=True)
    mtu: Mapped[int]
    network_type: Mapped[str] = mapped_column(default=TUNNELLED)
    physical_network: Mapped[str | None]
    segmentation_id: Mapped[int | None]

    subnets: Mapped[list[Any]] = relationship(
        "Subnet",
        primaryjoin="and_(Subnet.network_id == Network.id, Subnet.removed.is_(False))",
        lazy="selectin",
        viewonly=True,
    )

    __table_args__ = (Index("ix_networks_unsettled", "satisfied", "generation"),)


class NetworkWish(Wish):
    """Body of POST."""

    admin_state_up: bool = True
    shared: bool = False
    external: bool = Field(default=False, alias="router:external")
    port_security_enabled: bool = True
    mtu: int | None = Field(default=None, ge=68, le=9000)
    network_type: Literal["vxlan", "flat", "vlan"] | None = Field(
        default=None, alias="provider:network_type"
    )
    physical_network: str | None = Field(
        default=None, alias="provider:physical_network", pattern=r"^[\w.-]{1,64}$"
    )
    segmentation_id: int | None = Field(
        default=None, alias="provider:segmentation_id", ge=1, le=4094
    )
    availability_zone_hints: list[str] = Field(default=[], max_length=0)


class NetworkChange(Wish):
    """Body of PUT."""

    admin_state_up: bool = True
    shared: bool = False
    external: bool = Field(default=False, alias="router:external")
    port_security_enabled: bool = True


class _One(BaseModel):
    model_config = ConfigDict(extra="forbid")
    network: NetworkWish


class _Many(BaseModel):
    model_config = ConfigDict(extra="forbid")
    networks: list[NetworkWish] = Field(min_length=1, max_length=100)


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid")
    network: NetworkChange


LISTING = Listing(
    id=Network.id,
    columns={
        "id": Network.id,
        "name": Network.name,
        "project_id": Network.project_id,
        "admin_state_up": Network.admin_state_up,
        "shared": Network.shared,
        "router:external": Network.external,
        "mtu": Network.mtu,
        "provider:network_type": Network.network_type,
        "provider:physical_network": Network.physical_network,
        "description": Network.description,
    },
    parsers={
        "admin_state_up": boolean,
        "shared": boolean,
        "router:external": boolean,
        "mtu": lambda text: int(text) if text.isdigit() else -1,
    },
    default_sort=(SortKey("id"),),
)


def visible(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: own networks, shared ones and ways outside."""
    return own_or(caller, Network.project_id, Network.shared.is_(True), Network.external.is_(True))


def usable(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: networks that the caller may put ports on."""
    return own_or(caller, Network.project_id, Network.shared.is_(True))


def wire(call: Call, network: Network) -> dict[str, Any]:
    """One network in its wire form."""
    shown = network.standard_wire() | {
        "admin_state_up": network.admin_state_up,
        "status": "ERROR" if network.fault else "ACTIVE",
        "subnets": [subnet.id for subnet in network.subnets],
        "shared": network.shared,
        "router:external": network.external,
        "mtu": network.mtu,
        "port_security_enabled": network.port_security_enabled,
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
    }
    if network.external:
        shown["is_default"] = False
    if call.may("get_network:provider"):
        shown |= {
            "provider:network_type": network.network_type,
            "provider:physical_network": network.physical_network,
            "provider:segmentation_id": network.segmentation_id,
        }
    return shown


def list_networks(call: Call) -> dict[str, Any]:
    """Networks that the caller may see."""
    statement = select(Network).where(Network.removed.is_(False), visible(call.caller))
    return listed(
        call,
        "networks",
        LISTING,
        statement,
        lambda row: wire(call, row),
        computed={"status": lambda shown, asked: shown["status"] in asked},
    )


def show_network(call: Call, network_id: str) -> dict[str, Any]:
    """One network."""
    row = find(call.session, Network, network_id, visible(call.caller))
    return {"network": chosen(call, wire(call, row))}


def create_networks(call: Call, body: _One | _Many) -> dict[str, Any]:
    """Make one network, or several at once or none."""
    wishes = [body.network] if isinstance(body, _One) else body.networks
    made = [_create(call, wish) for wish in wishes]
    call.session.flush()
    shown = [wire(call, row) for row in made]
    return {"network": shown[0]} if isinstance(body, _One) else {"networks": shown}


def _create(call: Call, wish: NetworkWish) -> Network:
    project_id = owner(call, wish, "create_network")
    hold(call.session, project_id, "network")
    room = [Limit("network", used(call.session, Network, project_id))]
    require_room(call.session, project_id, "network", DEFAULTS, room)
    if wish.shared:
        call.enforce("create_network:shared")
    if wish.external:
        call.enforce("create_network:router:external")
    network_type = _network_type(call, wish)
    overhead = VXLAN_OVERHEAD if network_type == TUNNELLED else 0
    most = UNDERLAY_MTU - overhead
    if wish.mtu is not None and wish.mtu > most:
        raise BadRequest(f"Requested MTU is too big, maximum is {most}", kind="InvalidInput")
    network = Network(
        project_id=project_id,
        name=wish.name,
        description=wish.description,
        created_at=call.now,
        updated_at=call.now,
        admin_state_up=wish.admin_state_up,
        shared=wish.shared,
        external=wish.external,
        port_security_enabled=wish.port_security_enabled,
        mtu=wish.mtu or most,
        network_type=network_type,
        physical_network=wish.physical_network,
        segmentation_id=wish.segmentation_id,
        revision_number=1,
        generation=0,
        satisfied=0,
        found={},
        subnets=[],
    )
    call.session.add(network)
    call.session.flush()
    converge(call.session, network, call.now)
    call.audit("create", "network", network.id)
    return network


def _network_type(call: Call, wish: NetworkWish) -> str:
    """The type asked for, if policy and the other attributes allow it."""
    if wish.network_type or wish.physical_network or wish.segmentation_id:
        call.enforce("create_network:provider")
    kind = wish.network_type or ("flat" if wish.physical_network else TUNNELLED)
    if (kind == TUNNELLED) == bool(wish.physical_network):
        raise BadRequest(
            f"A {kind} network {'has no' if kind == TUNNELLED else 'needs a'} physical network."
        )
    if (kind == "vlan") != (wish.segmentation_id is not None):
        raise BadRequest("A segmentation id belongs to vlan networks, and they need one.")
    return kind


def update_network(call: Call, network_id: str, body: _Change) -> dict[str, Any]:
    """Change a network."""
    network = find(call.session, Network, network_id, visible(call.caller))
    call.enforce("update_network", {"project_id": network.project_id})
    changes = body.network.changes()
    if "shared" in changes:
        call.enforce("create_network:shared")
    if "external" in changes:
        call.enforce("create_network:router:external")
        if not changes["external"] and network.external and in_use(call.session, network_id):
            raise Conflict(
                f"External network {network_id} cannot be updated to be made non-external, since "
                "it has existing gateway ports.",
                kind="ExternalNetworkInUse",
            )
    for name, value in changes.items():
        setattr(network, name, value)
    network.touch(call.now)
    converge(call.session, network, call.now)
    call.audit("update", "network", network.id)
    return {"network": wire(call, network)}


def delete_network(call: Call, network_id: str) -> None:
    """Remove a network with its subnets; refused while ports are on it."""
    network = find(call.session, Network, network_id, visible(call.caller))
    call.enforce("delete_network", {"project_id": network.project_id})
    if in_use(call.session, network_id):
        raise Conflict(
            f"Unable to complete operation on network {network_id}. There are one or more ports "
            "still in use on the network.",
            kind="NetworkInUse",
        )
    for subnet in network.subnets:
        remove(call.session, subnet, call.now)
    remove(call.session, network, call.now)
    call.audit("delete", "network", network.id)


def in_use(session: Session, network_id: str) -> bool:
    """Whether any port is on the network."""
    from freehold.network.port import Port

    statement = select(Port.id).where(Port.network_id == network_id, Port.removed.is_(False))
    return session.execute(statement.limit(1)).first() is not None


def tenant_networks(session: Session, project_id: str) -> list[Network]:
    """The networks that a project's servers can be on: its own, else those shared with it."""
    rows = session.scalars(
        select(Network).where(
            Network.removed.is_(False),
            Network.external.is_(False),
            or_(Network.project_id == project_id, Network.shared.is_(True)),
        )
    ).all()
    own = [row for row in rows if row.project_id == project_id]
    return own or list(rows)


def routes(table: Routes) -> None:
    """Add the routes of networks."""
    table.add("GET", "/networks", list_networks, policy="get_network")
    table.add("POST", "/networks", create_networks, policy="get_network", status=201)
    table.add("GET", "/networks/{network_id}", show_network, policy="get_network")
    table.add("PUT", "/networks/{network_id}", update_network, policy="get_network")
    table.add("DELETE", "/networks/{network_id}", delete_network, policy="get_network", status=204)
