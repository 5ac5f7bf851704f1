"""Subnets: address ranges of a network, with their gateway, pools, DNS servers and routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from freehold.access import Caller, Rule
from freehold.http import Call, Listing, SortKey
from freehold.jobs import Converged
from freehold.network.collection import boolean, listed, number, one
from freehold.network.network import Network
from freehold.network.network import visible as visible_networks
from freehold.network.standard import (
    Standard,
    find,
    own_or,
)
from freehold.network.tag import tags_of
from freehold.store import Base

RULES = [Rule("get_subnet", "rule:logged_in", "GET /subnets")]


class Subnet(Standard, Converged, Base):
    """One subnet.

    Attributes:
        ipv6_ra_mode, ipv6_address_mode: See ``subnet_mode``.
        pools: ``[{"start", "end"}]`` from which addresses are chosen.
        dhcp_server_mac: Of the DHCP server that OVN plays.
    """

    __tablename__ = "subnets"

    network_id: Mapped[str] = mapped_column(ForeignKey("networks.id"), index=True)
    ip_version: Mapped[int]
    cidr: Mapped[str]
    gateway_ip: Mapped[str | None]
    enable_dhcp: Mapped[bool] = mapped_column(default=True)
    ipv6_ra_mode: Mapped[str | None]
    ipv6_address_mode: Mapped[str | None]
    dns_nameservers: Mapped[list[str]]
    host_routes: Mapped[list[Any]]
    pools: Mapped[list[Any]]
    dhcp_server_mac: Mapped[str]
    subnetpool_id: Mapped[str | None] = mapped_column(index=True)

    __table_args__ = (Index("ix_subnets_unsettled", "satisfied", "generation"),)


LISTING = Listing(
    id=Subnet.id,
    columns={
        name: getattr(Subnet, name)
        for name in (
            *("id", "name", "project_id", "description", "created_at", "updated_at"),
            *("network_id", "cidr", "ip_version", "gateway_ip", "enable_dhcp"),
            *("ipv6_ra_mode", "ipv6_address_mode", "subnetpool_id"),
        )
    },
    parsers={"enable_dhcp": boolean, "ip_version": number},
    default_sort=(SortKey("id"),),
)


def visible(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: own subnets and those of networks that the caller may see."""
    networks = select(Network.id).where(Network.removed.is_(False), visible_networks(caller))
    return own_or(caller, Subnet.project_id, Subnet.network_id.in_(networks))


def views(call: Call, rows: Sequence[Subnet]) -> list[dict[str, Any]]:
    """Subnets in their wire form."""
    tags = tags_of(call.session, [row.id for row in rows])
    return [_wire(row) | {"tags": tags.get(row.id, [])} for row in rows]


def _wire(subnet: Subnet) -> dict[str, Any]:
    return subnet.standard_wire() | {
        "network_id": subnet.network_id,
        "ip_version": subnet.ip_version,
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway_ip,
        "enable_dhcp": subnet.enable_dhcp,
        "dns_nameservers": subnet.dns_nameservers,
        "host_routes": subnet.host_routes,
        "allocation_pools": subnet.pools,
        "ipv6_ra_mode": subnet.ipv6_ra_mode,
        "ipv6_address_mode": subnet.ipv6_address_mode,
        "subnetpool_id": subnet.subnetpool_id,
    }


def list_subnets(call: Call) -> dict[str, Any]:
    """Subnets that the caller may see."""
    statement = select(Subnet).where(Subnet.removed.is_(False), visible(call.caller))
    return listed(call, "subnets", LISTING, statement, views)


def show_subnet(call: Call, subnet_id: str) -> dict[str, Any]:
    """One subnet."""
    row = find(call.session, Subnet, subnet_id, visible(call.caller))
    return {"subnet": one(call, views, row)}
