"""Hypervisors: hosts as operators see them through the Compute API, with what servers take.

Figures are a host's own facts and sums over servers' rows. From 2.53 a hypervisor's id is a UUID
and queries replace the older paths (``search``, ``servers``); from 2.88 figures are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from freehold.access import Rule
from freehold.compute.capacity import Used, used_by_host
from freehold.compute.host_state import is_up, older_id
from freehold.compute.link import next_page
from freehold.compute.server import Server
from freehold.errors import BadRequest, NotFound, NotSupported
from freehold.hosts import Host, all_hosts
from freehold.http import Call, Routes

POLICY = "os_compute_api:os-hypervisors"
RULES = [
    Rule(f"{POLICY}:{verb}", "rule:admin_required", description)
    for verb, description in (
        ("list", "GET /os-hypervisors"),
        ("list-detail", "GET /os-hypervisors/detail"),
        ("show", "GET /os-hypervisors/{hypervisor_id}"),
        ("statistics", "GET /os-hypervisors/statistics"),
        ("search", "GET /os-hypervisors/{pattern}/search"),
        ("servers", "GET /os-hypervisors/{pattern}/servers"),
        ("uptime", "GET /os-hypervisors/{hypervisor_id}/uptime"),
    )
]
PATH = "/os-hypervisors"
MAXIMUM = 1000
Servers = Mapping[str, Sequence[dict[str, str]]]
"""Host → its servers as ``{"uuid", "name"}``."""


def _id(call: Call, host: Host) -> str | int:
    return host.id if call.at_least("2.53") else older_id(host)


def basic_wire(call: Call, host: Host) -> dict[str, Any]:
    """A hypervisor as the plain list shows it."""
    return {
        "id": _id(call, host),
        "hypervisor_hostname": host.name,
        "state": "up" if is_up(host, call.now, call.config) else "down",
        "status": "enabled" if host.enabled else "disabled",
    }


def wire(call: Call, host: Host, used: Used) -> dict[str, Any]:
    """A hypervisor as the detailed list shows it."""
    facts = host.facts
    shown = basic_wire(call, host) | {
        "host_ip": host.address,
        "hypervisor_type": "KVM" if facts.get("virt_type") == "kvm" else "QEMU",
        "hypervisor_version": facts.get("hypervisor_version", 0),
        "service": {
            "id": _id(call, host),
            "host": host.name,
            "disabled_reason": host.disabled_reason,
        },
    }
    if call.at_least("2.88"):
        return shown | {"uptime": None}
    cpu = {"model": facts["cpu_model"]} if facts.get("cpu_model") else {}
    return (
        shown
        | figures(host, used)
        | {"cpu_info": cpu if call.at_least("2.28") else json.dumps(cpu)}
    )


def figures(host: Host, used: Used) -> dict[str, int]:
    """What a host has and what is left of it, before placement's ratios and reserve."""
    memory = int(host.facts.get("memory_mib", 0))
    disk = int(host.facts.get("disk_gib", 0))
    return {
        "vcpus": int(host.facts.get("vcpus", 0)),
        "vcpus_used": used.vcpus,
        "memory_mb": memory,
        "memory_mb_used": used.memory_mib,
        "free_ram_mb": memory - used.memory_mib,
        "local_gb": disk,
        "local_gb_used": used.disk_gib,
        "free_disk_gb": disk - used.disk_gib,
        "disk_available_least": disk - used.disk_gib,
        "current_workload": 0,
        "running_vms": used.servers,
    }


def list_hypervisors(call: Call) -> dict[str, Any]:
    """All hypervisors by name."""
    hosts, link = _page(call, PATH)
    servers = _servers_asked(call, hosts)
    return {"hypervisors": [basic_wire(call, h) | _with(call, h, servers) for h in hosts]} | link


def list_hypervisors_detail(call: Call) -> dict[str, Any]:
    """All hypervisors with their figures."""
    hosts, link = _page(call, f"{PATH}/detail")
    servers, used = _servers_asked(call, hosts), used_by_host(call.session)
    shown = [
        wire(call, host, used.get(host.name, Used())) | _with(call, host, servers) for host in hosts
    ]
    return {"hypervisors": shown} | link


def _page(call: Call, path: str) -> tuple[Sequence[Host], dict[str, Any]]:
    """The hosts of one page (from 2.33), or those whose name has a pattern (from 2.53)."""
    hosts = all_hosts(call.session)
    pattern = call.params.get("hypervisor_hostname_pattern") if call.at_least("2.53") else None
    limit, marker = call.params.get("limit"), call.params.get("marker")
    if pattern is not None:
        if limit is not None or marker is not None:
            raise BadRequest(
                "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is "
                "not supported."
            )
        return _matching(call, pattern), {}
    if not call.at_least("2.33"):
        return hosts, {}
    if limit is not None and not (limit.isascii() and limit.isdigit()):
        raise BadRequest(f"limit {limit[:32]!r} is not a whole number from 0")
    # Hosts are few and all read; a page is cut here instead of in SQL.
    if marker is not None:
        ids = [str(_id(call, host)) for host in hosts]
        if marker not in ids:
            raise BadRequest(f"marker [{marker}] not found")
        hosts = hosts[ids.index(marker) + 1 :]
    size = min(int((limit or "0")[:9]) or MAXIMUM, MAXIMUM)
    page = hosts[:size]
    if len(hosts) <= size:
        return page, {}
    return page, next_page(call, "hypervisors_links", path, str(_id(call, page[-1])))


def _matching(call: Call, pattern: str) -> list[Host]:
    hosts = [host for host in all_hosts(call.session) if pattern in host.name]
    if not hosts:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return hosts


def _servers_asked(call: Call, hosts: Sequence[Host]) -> Servers | None:
    """The hosts' servers, if ``with_servers`` (from 2.53) asks for them."""
    asked = call.params.get("with_servers", "false").lower()
    if not call.at_least("2.53") or asked in ("false", "0", "f", "no", "n", "off"):
        return None
    if asked not in ("true", "1", "t", "yes", "y", "on"):
        raise BadRequest(f"Invalid input for query parameters with_servers: {asked[:32]!r}")
    return _servers(call, hosts)


def _servers(call: Call, hosts: Sequence[Host]) -> Servers:
    names: dict[str, list[dict[str, str]]] = {host.name: [] for host in hosts}
    rows = call.session.execute(
        select(Server.host, Server.id, Server.name)
        .where(Server.host.in_(names))
        .order_by(Server.created_at, Server.id)
    )
    for row in rows:
        names[row.host].append({"uuid": row.id, "name": row.name})
    return names


def _with(call: Call, host: Host, servers: Servers | None) -> dict[str, Any]:
    """``servers`` of one host; before 2.75 a host without servers has no such field."""
    if servers is None or not (servers[host.name] or call.at_least("2.75")):
        return {}
    return {"servers": servers[host.name]}


def show_hypervisor(call: Call, hypervisor_id: str) -> dict[str, Any]:
    """One hypervisor."""
    host = _host(call, hypervisor_id)
    used = used_by_host(call.session).get(host.name, Used())
    return {"hypervisor": wire(call, host, used) | _with(call, host, _servers_asked(call, [host]))}


def _host(call: Call, hypervisor_id: str) -> Host:
    if call.at_least("2.53"):
        try:
            UUID(hypervisor_id)
        except ValueError as error:
            raise BadRequest(f"Invalid uuid {hypervisor_id[:64]}") from error
    for host in all_hosts(call.session):
        if str(_id(call, host)) == hypervisor_id:
            return host
    raise NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")


def show_statistics(call: Call) -> dict[str, Any]:
    """Sums over all enabled hypervisors (until 2.87)."""
    _until(call, "2.88")
    used = used_by_host(call.session)
    entries = [
        figures(host, used.get(host.name, Used()))
        for host in all_hosts(call.session)
        if host.enabled
    ]
    names = figures(Host(facts={}), Used())
    totals = {name: sum(entry[name] for entry in entries) for name in names}
    return {"hypervisor_statistics": {"count": len(entries)} | totals}


def search(call: Call, hypervisor_id: str) -> dict[str, Any]:
    """Hypervisors whose name has a pattern (until 2.52)."""
    _until(call, "2.53")
    return {"hypervisors": [basic_wire(call, host) for host in _matching(call, hypervisor_id)]}


def search_with_servers(call: Call, hypervisor_id: str) -> dict[str, Any]:
    """The same with their servers (until 2.52)."""
    _until(call, "2.53")
    hosts = _matching(call, hypervisor_id)
    servers = _servers(call, hosts)
    return {"hypervisors": [basic_wire(call, h) | _with(call, h, servers) for h in hosts]}


def show_uptime(call: Call, hypervisor_id: str) -> None:
    """How long a host has been up (until 2.87): hosts do not tell."""
    _until(call, "2.88")
    _host(call, hypervisor_id)
    raise NotSupported("Hosts of this cloud do not tell their uptime.")


def _until(call: Call, version: str) -> None:
    """Refuse (NotFound) a path that is no more."""
    if call.at_least(version):
        raise NotFound("The resource could not be found.")


def routes(table: Routes) -> None:
    """Add the routes of hypervisors."""
    one = f"{PATH}/{{hypervisor_id}}"
    table.add("GET", PATH, list_hypervisors, policy=f"{POLICY}:list")
    table.add("GET", f"{PATH}/detail", list_hypervisors_detail, policy=f"{POLICY}:list-detail")
    table.add("GET", f"{PATH}/statistics", show_statistics, policy=f"{POLICY}:statistics")
    table.add("GET", one, show_hypervisor, policy=f"{POLICY}:show")
    table.add("GET", f"{one}/search", search, policy=f"{POLICY}:search")
    table.add("GET", f"{one}/servers", search_with_servers, policy=f"{POLICY}:servers")
    table.add("GET", f"{one}/uptime", show_uptime, policy=f"{POLICY}:uptime")
