"""The logical network's document: rows that no machine has answered for, or all of them.

Cost follows the change (invariant 7): with scope ``changes`` each kind of row is one query for
unsettled rows, and only what these refer to is read besides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from netaddr import IPNetwork
from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.jobs import Scope
from freehold.network.floating_ip import FloatingIp
from freehold.network.network import Network
from freehold.network.port import (
    HELD,
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    Port,
    fixed_ips,
    ports_of_routers,
)
from freehold.network.router import Router, gateway_hosts
from freehold.network.security_group import SecurityGroup
from freehold.network.security_group_rule import SecurityGroupRule
from freehold.network.subnet import Subnet
from freehold.network.subnet_mode import address_mode, advertised_mode

KINDS: dict[str, Any] = {
    "networks": Network,
    "subnets": Subnet,
    "security_groups": SecurityGroup,
    "ports": Port,
    "routers": Router,
    "floating_ips": FloatingIp,
}


def document(session: Session, _name: str, scope: Scope, _now: datetime) -> dict[str, Any] | None:
    """The body of the document, or None when nothing is wanted."""
    rows = {name: _rows(session, kind, scope) for name, kind in KINDS.items()}
    if not any(rows.values()):
        return None
    parts: dict[str, Callable[[Session, Sequence[Any]], dict[str, dict[str, Any]]]] = {
        "networks": _networks,
        "subnets": _subnets,
        "security_groups": _security_groups,
        "ports": _ports,
        "routers": _routers,
        "floating_ips": _floating_ips,
    }
    return {name: _entries(session, rows[name], part) for name, part in parts.items()}


def _rows(session: Session, kind: Any, scope: Scope) -> list[Any]:
    """Rows to carry; a port of a router or a floating IP is told with that."""
    statement = select(kind)
    if kind is Port:
        statement = statement.where(Port.device_owner.not_in(HELD))
    if scope is Scope.CHANGES:
        statement = statement.where(kind.unsettled())
    return list(session.scalars(statement.order_by(kind.id)))


def _entries(
    session: Session,
    rows: Sequence[Any],
    part: Callable[[Session, Sequence[Any]], dict[str, dict[str, Any]]],
) -> list[dict[str, Any]]:
    described = part(session, [row for row in rows if not row.removed])
    entries = []
    for row in rows:
        state = "removed" if row.removed else "present"
        head = {"id": row.id, "generation": row.generation, "state": state}
        entries.append(head | described.get(row.id, {}))
    return entries


def _networks(_session: Session, rows: Sequence[Network]) -> dict[str, dict[str, Any]]:
    return {
        row.id: {
            "name": row.name,
            "mtu": row.mtu,
            "external": row.external,
            "physical_network": row.physical_network,
            "vlan_id": row.segmentation_id,
        }
        for row in rows
    }


def _subnets(session: Session, rows: Sequence[Subnet]) -> dict[str, dict[str, Any]]:
    mtu = _mtu(session, {row.network_id for row in rows})
    return {
        row.id: {
            "network_id": row.network_id,
            "ip_version": row.ip_version,
            "cidr": row.cidr,
            "gateway_ip": row.gateway_ip,
            "enable_dhcp": row.enable_dhcp,
            "dhcp_server_mac": row.dhcp_server_mac,
            "address_mode": address_mode(row),
            "dns_nameservers": row.dns_nameservers,
            "host_routes": row.host_routes,
            "mtu": mtu[row.network_id],
        }
        for row in rows
    }


def _mtu(session: Session, network_ids: set[str]) -> dict[str, int]:
    rows = session.execute(select(Network.id, Network.mtu).where(Network.id.in_(network_ids)))
    return {network_id: mtu for network_id, mtu in rows}  # noqa: C416 (rows are not pairs to mypy)


def _security_groups(_session: Session, rows: Sequence[SecurityGroup]) -> dict[str, dict[str, Any]]:
    return {
        row.id: {
            "name": row.name,
            "stateful": row.stateful,
            "rules": [_rule(rule) for rule in row.rules],
        }
        for row in rows
    }


def _rule(rule: SecurityGroupRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.normalized_cidr,
        "remote_group_id": rule.remote_group_id,
    }


def _ports(_session: Session, rows: Sequence[Port]) -> dict[str, dict[str, Any]]:
    return {
        row.id: {
            "network_id": row.network_id,
            "mac": row.mac_address,
            "fixed_ips": fixed_ips(row),
            "admin_state_up": row.admin_state_up,
            "port_security_enabled": row.port_security_enabled,
            "security_groups": sorted(group.security_group_id for group in row.groups),
            "allowed_address_pairs": row.allowed_address_pairs,
            "host": row.host,
        }
        for row in rows
    }


def _routers(session: Session, rows: Sequence[Router]) -> dict[str, dict[str, Any]]:
    if not rows:
        return {}
    ports = ports_of_routers(session, [row.id for row in rows])
    subnet_ids = {a.subnet_id for found in ports.values() for p in found for a in p.addresses}
    subnets = {
        row.id: row for row in session.scalars(select(Subnet).where(Subnet.id.in_(subnet_ids)))
    }
    mtu = _mtu(session, {port.network_id for found in ports.values() for port in found})
    hosts = gateway_hosts(session)
    return {row.id: _router(row, ports.get(row.id, []), subnets, mtu, hosts) for row in rows}


def _router(
    row: Router,
    ports: Sequence[Port],
    subnets: dict[str, Subnet],
    mtu: dict[str, int],
    hosts: Sequence[str],
) -> dict[str, Any]:
    inner = [port for port in ports if port.device_owner == ROUTER_INTERFACE]
    outer = [port for port in ports if port.device_owner == ROUTER_GATEWAY]
    return {
        "name": row.name,
        "admin_state_up": row.admin_state_up,
        "gateway": _gateway(row, outer[0], inner, subnets) if outer else None,
        "interfaces": [
            {
                "port_id": port.id,
                "network_id": port.network_id,
                "mac": port.mac_address,
                "addresses": _prefixed(port, subnets),
                "ra_mode": _advertised(port, subnets),
                "mtu": mtu[port.network_id],
            }
            for port in inner
        ],
        "routes": row.extra_routes,
        "gateway_hosts": _spread(hosts, row.id) if outer else [],
    }


def _gateway(
    row: Router, port: Port, inner: Sequence[Port], subnets: dict[str, Subnet]
) -> dict[str, Any]:
    outside = [subnets[address.subnet_id] for address in port.addresses]
    inside = [subnets[address.subnet_id] for other in inner for address in other.addresses]
    snat_ip = next((a.ip_address for a in port.addresses if "." in a.ip_address), None)
    return {
        "port_id": port.id,
        "network_id": port.network_id,
        "mac": port.mac_address,
        "addresses": _prefixed(port, subnets),
        "next_hops": [subnet.gateway_ip for subnet in outside if subnet.gateway_ip],
        "enable_snat": row.enable_snat,
        "snat_cidrs": sorted({subnet.cidr for subnet in inside if subnet.ip_version == 4}),
        "snat_ip": snat_ip,
    }


def _prefixed(port: Port, subnets: dict[str, Subnet]) -> list[str]:
    """Addresses with their subnets' prefix lengths."""
    return [
        f"{address.ip_address}/{IPNetwork(subnets[address.subnet_id].cidr).prefixlen}"
        for address in port.addresses
    ]


def _advertised(port: Port, subnets: dict[str, Subnet]) -> str | None:
    """What an interface advertises: one mode, that of its first IPv6 subnet that has one."""
    modes = [advertised_mode(subnets[address.subnet_id]) for address in port.addresses]
    return next((mode for mode in modes if mode), None)


def _spread(hosts: Sequence[str], router_id: str) -> list[str]:
    """All hosts, beginning at another one for each router, so that gateways are spread."""
    if not hosts:
        return []
    start = int(router_id[:8], 16) % len(hosts)
    return [*hosts[start:], *hosts[:start]]


def _floating_ips(_session: Session, rows: Sequence[FloatingIp]) -> dict[str, dict[str, Any]]:
    return {
        row.id: {
            "router_id": row.router_id,
            "floating_ip": row.floating_ip_address,
            "fixed_ip": row.fixed_ip_address,
            "port_id": row.port_id,
        }
        for row in rows
    }
