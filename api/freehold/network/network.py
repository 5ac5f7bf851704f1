"""Networks: a layer-2 domain each; tenants' own, or the operator's way outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Index, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from freehold.access import Caller, Limit, Rule, hold, require_room
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Listing, Routes, SortKey
from freehold.jobs import Converged
from freehold.network.collection import boolean, listed, number, one
from freehold.network.network_request import (
    ChangedNetwork,
    NetworkChange,
    NetworkWish,
    NewNetworks,
)
from freehold.network.quota import DEFAULTS, used
from freehold.network.standard import (
    Standard,
    converge,
    find,
    fresh,
    own_or,
    owner,
    remove,
    want_network,
)
from freehold.network.tag import forget_tags, tags_of
from freehold.store import Base, lock

UNDERLAY_MTU = 1500
VXLAN_OVERHEAD = 50
TUNNELLED = "vxlan"
PROVIDER = ("network_type", "physical_network", "segmentation_id")
SECRET = [f"provider:{name}" for name in PROVIDER]
CONVERGED = frozenset({"name", "external"})
"""What of a network the machine has to know."""

RULES = [
    Rule("create_network", "rule:admin_or_member", "POST /networks"),
    Rule("create_network:shared", "rule:admin_required", "Make a network for all projects"),
    Rule("create_network:router:external", "rule:admin_required", "Make a way outside"),
    Rule("create_network:is_default", "rule:admin_required", "Make the usual way outside"),
    Rule("get_network", "rule:logged_in", "GET /networks"),
    Rule("update_network", "rule:admin_or_member", "PUT /networks/{id}"),
    Rule("update_network:shared", "rule:admin_required", "Give a network to all projects"),
    Rule("update_network:router:external", "rule:admin_required", "Make it a way outside"),
    Rule("update_network:is_default", "rule:admin_required", "Make it the usual way outside"),
    Rule("delete_network", "rule:admin_or_member", "DELETE /networks/{id}"),
    *(
        Rule(f"{verb}_network:provider:{name}", "rule:admin_required", f"{text} its {name}")
        for verb, text in (("create", "Choose"), ("get", "See"))
        for name in PROVIDER
    ),
]


class Network(Standard, Converged, Base):
    """One network.

    Attributes:
        mtu: Bytes that a port can send; VXLAN takes 50 of the underlay's 1500.
        network_type: ``vxlan``, or ``flat`` / ``vlan`` on ``physical_network``.
        external: Routers may have their gateway there. On VXLAN it leads to other parts of this
            cloud, on a physical network outside.
    """

    __tablename__ = "networks"

    admin_state_up: Mapped[bool] = mapped_column(default=True)
    shared: Mapped[bool] = mapped_column(default=False)
    external: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)
    port_security_enabled: Mapped[bool] = mapped_column(default=True)
    mtu: Mapped[int]
    network_type: Mapped[str] = mapped_column(default=TUNNELLED)
    physical_network: Mapped[str | None]
    segmentation_id: Mapped[int | None]

    subnets: Mapped[list[Any]] = relationship(
        "Subnet",
        primaryjoin="and_(Subnet.network_id == Network.id, Subnet.removed.is_(False))",
        order_by="Subnet.created_at",
        lazy="selectin",
        viewonly=True,
    )

    __table_args__ = (Index("ix_networks_unsettled", "satisfied", "generation"),)


LISTING = Listing(
    id=Network.id,
    columns={
        "router:external": Network.external,
        **{f"provider:{name}": getattr(Network, name) for name in PROVIDER},
        **{
            name: getattr(Network, name)
            for name in (
                *("id", "name", "project_id", "description", "created_at", "updated_at"),
                *("admin_state_up", "shared", "is_default", "mtu", "port_security_enabled"),
            )
        },
    },
    parsers={
        "mtu": number,
        "provider:segmentation_id": number,
        **dict.fromkeys(
            ("admin_state_up", "shared", "router:external", "is_default", "port_security_enabled"),
            boolean,
        ),
    },
    default_sort=(SortKey("id"),),
)


def visible(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: own networks, shared ones and ways outside."""
    return own_or(caller, Network.project_id, Network.shared.is_(True), Network.external.is_(True))


def usable(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: networks that the caller may put ports on."""
    return own_or(caller, Network.project_id, Network.shared.is_(True))


def _hidden(call: Call) -> list[str]:
    """Attributes that the caller does not see."""
    return [name for name in SECRET if not call.may(f"get_network:{name}")]


def views(call: Call, rows: Sequence[Network]) -> list[dict[str, Any]]:
    """Networks in their wire form."""
    hidden = _hidden(call)
    tags = tags_of(call.session, [row.id for row in rows])
    shown = []
    for row in rows:
        entry = _wire(row) | {"tags": tags.get(row.id, [])}
        for name in hidden:
            del entry[name]
        shown.append(entry)
    return shown


def _wire(network: Network) -> dict[str, Any]:
    shown = network.standard_wire() | {
        "admin_state_up": network.admin_state_up,
        "status": "ERROR" if network.fault else "ACTIVE",
        "subnets": [subnet.id for subnet in network.subnets],
        "shared": network.shared,
        "router:external": network.external,
        "mtu": network.mtu,
        "port_security_enabled": network.port_security_enabled,
        "provider:network_type": network.network_type,
        "provider:physical_network": network.physical_network,
        "provider:segmentation_id": network.segmentation_id,
    }
    if network.external:
        shown["is_default"] = network.is_default
    return shown


def list_networks(call: Call) -> dict[str, Any]:
    """Networks that the caller may see."""
    statement = select(Network).where(Network.removed.is_(False), visible(call.caller))
    return listed(call, "networks", LISTING, statement, views, secret=_hidden(call))


def show_network(call: Call, network_id: str) -> dict[str, Any]:
    """One network."""
    row = find(call.session, Network, network_id, visible(call.caller))
    return {"network": one(call, views, row)}


def create_networks(call: Call, body: NewNetworks) -> dict[str, Any]:
    """Make one network, or several at once or none."""
    return body.shown(views(call, [_create(call, wish) for wish in body.wishes()]))


def _create(call: Call, wish: NetworkWish) -> Network:
    project_id = owner(call, wish, "create_network")
    hold(call.session, project_id, "network")
    room = [Limit("network", used(call.session, Network, project_id))]
    require_room(call.session, project_id, "network", DEFAULTS, room)
    _enforce_parts(call, "create", wish)
    network_type = _network_type(wish)
    _require_free_segment(call.session, network_type, wish)
    most = UNDERLAY_MTU - (VXLAN_OVERHEAD if network_type == TUNNELLED else 0)
    if wish.mtu is not None and wish.mtu > most:
        raise BadRequest(f"Requested MTU is too big, maximum is {most}", kind="InvalidInput")
    network = Network(
        **fresh(call.now),
        project_id=project_id,
        **wish.model_dump(exclude={"project_id", "mtu", "network_type"}),
        mtu=wish.mtu or most,
        network_type=network_type,
        subnets=[],
    )
    call.session.add(network)
    call.session.flush()
    want_network(call.session, call.now)
    call.audit("create", "network", network.id)
    return network


def _enforce_parts(call: Call, verb: str, wish: NetworkChange) -> None:
    """Attributes that have a policy of their own; a POST may say what is the default anyway."""
    named = {"shared": "shared", "external": "router:external", "is_default": "is_default"}
    for name, rule in named.items():
        if name in wish.model_fields_set and (verb == "update" or getattr(wish, name)):
            call.enforce(f"{verb}_network:{rule}")
    for name in PROVIDER:
        if getattr(wish, name, None) is not None:
            call.enforce(f"{verb}_network:provider:{name}")


def _network_type(wish: NetworkWish) -> str:
    """The type asked for, if the other attributes go with it."""
    kind = wish.network_type or ("flat" if wish.physical_network else TUNNELLED)
    if (kind == TUNNELLED) == bool(wish.physical_network):
        raise BadRequest(
            f"Invalid input for operation: a {kind} network "
            f"{'has no' if kind == TUNNELLED else 'needs a'} provider:physical_network."
        )
    if (kind == "vlan") != (wish.segmentation_id is not None):
        raise BadRequest(
            "Invalid input for operation: provider:segmentation_id belongs to vlan networks, and "
            "they need one."
        )
    return kind


def _require_free_segment(session: Session, network_type: str, wish: NetworkWish) -> None:
    """A physical network, or a VLAN of it, carries one network."""
    if network_type == TUNNELLED:
        return
    lock(session, "physical network", str(wish.physical_network))
    taken = select(Network.id).where(
        Network.physical_network == wish.physical_network,
        Network.network_type == network_type,
        Network.removed.is_(False),
    )
    if network_type == "vlan":
        taken = taken.where(Network.segmentation_id == wish.segmentation_id)
    if session.execute(taken.limit(1)).first() is not None:
        part = f"The VLAN {wish.segmentation_id} on" if network_type == "vlan" else "Flat use of"
        raise Conflict(
            f"Unable to create the network. {part} the physical network {wish.physical_network} "
            "is in use.",
            kind="VlanIdInUse" if network_type == "vlan" else "FlatNetworkInUse",
        )


def update_network(call: Call, network_id: str, body: ChangedNetwork) -> dict[str, Any]:
    """Change a network."""
    network = find(call.session, Network, network_id, visible(call.caller))
    call.enforce("update_network", {"project_id": network.project_id})
    wish = body.network
    _enforce_parts(call, "update", wish)
    said = wish.said(*NetworkChange.model_fields)
    if "external" in said and said["external"] != network.external:
        _require_external_change(call.session, network, said["external"])
    if said.get("shared") is False and network.shared:
        _require_unshared(call.session, network)
    changed = network.apply(said)
    if changed:
        network.touch(call.now)
    if changed & CONVERGED:
        converge(call.session, network, call.now)
    call.audit("update", "network", network.id)
    return {"network": views(call, [network])[0]}


def _require_external_change(session: Session, network: Network, external: bool) -> None:
    if not external and in_use(session, network.id):
        raise Conflict(
            f"External network {network.id} cannot be updated to be made non-external, since it "
            "has existing gateway ports.",
            kind="ExternalNetworkInUse",
        )


def _require_unshared(session: Session, network: Network) -> None:
    """Nobody else's ports may be left on a network that is its project's alone again."""
    from freehold.network.port import Port

    others = select(Port.id).where(
        Port.network_id == network.id,
        Port.removed.is_(False),
        Port.project_id.not_in([network.project_id, ""]),
    )
    if session.execute(others.limit(1)).first() is not None:
        raise Conflict(
            f"Unable to reconfigure sharing settings for network {network.id}. Multiple projects "
            "are using it.",
            kind="InvalidSharedSetting",
        )


def delete_network(call: Call, network_id: str) -> None:
    """Remove a network with its subnets; refused while ports are on it."""
    from freehold.network.floating_ip_operations import give_back_idle

    lock_networks(call.session, [network_id])
    network = find(call.session, Network, network_id, visible(call.caller))
    call.enforce("delete_network", {"project_id": network.project_id})
    give_back_idle(call, network_id)
    if in_use(call.session, network_id):
        raise Conflict(
            f"Unable to complete operation on network {network_id}. There are one or more ports "
            "still in use on the network.",
            kind="NetworkInUse",
        )
    for row in (*network.subnets, network):
        forget_tags(call.session, row.id)
        remove(call.session, row, call.now)
    call.audit("delete", "network", network.id)


def lock_networks(session: Session, network_ids: Iterable[str]) -> None:
    """Keep networks from being removed or cut up anew until the transaction ends.

    Taken after the project's quota and before addresses, in the order of ids; what is decided on
    is read afterwards.
    """
    for network_id in sorted(set(network_ids)):
        lock(session, "network", network_id)


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
