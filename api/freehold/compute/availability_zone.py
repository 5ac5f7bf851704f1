"""Availability zones: the names that the operator gave to groups of hosts."""

from __future__ import annotations

from typing import Any

from freehold.access import Rule
from freehold.compute.times import iso_time
from freehold.hosts import Host, all_hosts
from freehold.http import Call, Routes

POLICY = "os_compute_api:os-availability-zone"
RULES = [
    Rule(f"{POLICY}:list", "rule:logged_in", "GET /os-availability-zone"),
    Rule(f"{POLICY}:detail", "rule:admin_required", "GET /os-availability-zone/detail"),
]


def _zones(call: Call) -> dict[str, list[Host]]:
    zones: dict[str, list[Host]] = {}
    for host in all_hosts(call.session):
        zones.setdefault(host.availability_zone, []).append(host)
    return zones


def list_zones(call: Call) -> dict[str, Any]:
    """Zones that have an enabled host."""
    return {"availabilityZoneInfo": [_wire(name, hosts) for name, hosts in _zones(call).items()]}


def _wire(name: str, hosts: list[Host], *, detail: bool = False) -> dict[str, Any]:
    available = any(host.enabled and host.is_described for host in hosts)
    services = {
        host.name: {
            "nova-compute": {
                "available": host.is_described,
                "active": host.enabled,
                "updated_at": iso_time(host.seen_at) if host.seen_at else None,
            }
        }
        for host in hosts
    }
    return {
        "zoneName": name,
        "zoneState": {"available": available},
        "hosts": services if detail else None,
    }


def list_zones_detail(call: Call) -> dict[str, Any]:
    """Zones with their hosts."""
    zones = [_wire(name, hosts, detail=True) for name, hosts in _zones(call).items()]
    return {"availabilityZoneInfo": zones}


def routes(table: Routes) -> None:
    """Add the routes of availability zones."""
    path = "/os-availability-zone"
    table.add("GET", path, list_zones, policy=f"{POLICY}:list")
    table.add("GET", path + "/detail", list_zones_detail, policy=f"{POLICY}:detail")
