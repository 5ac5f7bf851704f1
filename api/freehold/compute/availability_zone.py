"""Availability zones: the names that the operator gave to groups of hosts."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from freehold.access import Rule
from freehold.compute.host_state import is_up
from freehold.hosts import Host, all_hosts
from freehold.http import Call, Routes

POLICY = "os_compute_api:os-availability-zone"
RULES = [
    Rule(f"{POLICY}:list", "rule:logged_in", "GET /os-availability-zone"),
    Rule(f"{POLICY}:detail", "rule:admin_required", "GET /os-availability-zone/detail"),
]


def list_zones(call: Call) -> dict[str, Any]:
    """Zones, and whether a server can be asked for there."""
    zones = [_wire(call, name, hosts) for name, hosts in _zones(call)]
    return {"availabilityZoneInfo": [zone | {"hosts": None} for zone in zones]}


def list_zones_detail(call: Call) -> dict[str, Any]:
    """Zones with their hosts, for operators."""
    zones = [
        _wire(call, name, hosts) | {"hosts": {host.name: _services(call, host) for host in hosts}}
        for name, hosts in _zones(call)
    ]
    return {"availabilityZoneInfo": zones}


def _zones(call: Call) -> list[tuple[str, list[Host]]]:
    hosts = sorted(all_hosts(call.session), key=lambda host: (host.availability_zone, host.name))
    return [
        (name, list(members)) for name, members in groupby(hosts, lambda h: h.availability_zone)
    ]


def _wire(call: Call, name: str, hosts: list[Host]) -> dict[str, Any]:
    available = any(host.enabled and is_up(host, call.now, call.config) for host in hosts)
    return {"zoneName": name, "zoneState": {"available": available}}


def _services(call: Call, host: Host) -> dict[str, Any]:
    seen = host.seen_at.replace(tzinfo=None).isoformat() if host.seen_at else None
    return {
        "nova-compute": {
            "available": is_up(host, call.now, call.config),
            "active": host.enabled,
            "updated_at": seen,
        }
    }


def routes(table: Routes) -> None:
    """Add the routes of availability zones."""
    path = "/os-availability-zone"
    table.add("GET", path, list_zones, policy=f"{POLICY}:list")
    table.add("GET", path + "/detail", list_zones_detail, policy=f"{POLICY}:detail")
