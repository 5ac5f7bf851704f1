"""Hypervisors: hosts as operators see them through the Compute API, with what servers take."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from freehold.access import Rule
from freehold.compute.capacity import Used, used_by_host
from freehold.compute.server import Server
from freehold.errors import NotFound
from freehold.hosts import Host, all_hosts
from freehold.http import Call, Routes

POLICY = "os_compute_api:os-hypervisors"
RULES = [Rule(POLICY, "rule:admin_required", "GET /os-hypervisors")]


def _id(call: Call, host: Host) -> Any:
    """A UUID from 2.53, before that a number that follows from it."""
    return host.id if call.at_least("2.53") else int(host.id[:7], 16)


def basic_wire(call: Call, host: Host) -> dict[str, Any]:
    """A hypervisor as the plain list shows it."""
    return {
        "id": _id(call, host),
        "hypervisor_hostname": host.name,
        "state": "up" if host.is_described else "down",
        "status": "enabled" if host.enabled else "disabled",
    }


def wire(call: Call, host: Host, used: Used) -> dict[str, Any]:
    """A hypervisor with its figures; those left out by 2.88 are summed from rows."""
    facts = host.facts
    kind = "QEMU" if facts.get("virt_type") == "qemu" else "KVM"
    shown = basic_wire(call, host) | {
        "host_ip": host.address,
        "hypervisor_type": kind,
        "hypervisor_version": facts.get("hypervisor_version", 0),
        "service": {
            "id": _id(call, host),
            "host": host.name,
            "disabled_reason": host.disabled_reason,
        },
    }
    if call.at_least("2.88"):
        return shown | {"uptime": None}
    cpu: Any = {"model": facts.get("cpu_model"), "arch": "x86_64", "features": [], "topology": {}}
    memory, disk = facts.get("memory_mib", 0), facts.get("disk_gib", 0)
    return shown | {
        "cpu_info": cpu if call.at_least("2.28") else str(cpu),
        "current_workload": 0,
        "running_vms": used.servers,
        "vcpus": facts.get("vcpus", 0),
        "vcpus_used": used.vcpus,
        "memory_mb": memory,
        "memory_mb_used": used.memory_mib,
        "free_ram_mb": memory - used.memory_mib,
        "local_gb": disk,
        "local_gb_used": used.disk_gib,
        "free_disk_gb": disk - used.disk_gib,
        "disk_available_least": disk - used.disk_gib,
    }


def _chosen(call: Call) -> list[Host]:
    pattern = call.params.get("hypervisor_hostname_pattern")
    hosts = [host for host in all_hosts(call.session) if not pattern or pattern in host.name]
    if pattern and not hosts:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return hosts


def list_hypervisors(call: Call) -> dict[str, Any]:
    """All hypervisors by name."""
    shown = [_with_servers(call, basic_wire(call, host), host) for host in _chosen(call)]
    return {"hypervisors": shown}


def list_hypervisors_detail(call: Call) -> dict[str, Any]:
    """All hypervisors with their figures."""
    used = used_by_host(call.session)
    return {
        "hypervisors": [
            _with_servers(call, wire(call, host, used.get(host.name, Used())), host)
            for host in _chosen(call)
        ]
    }


def _with_servers(call: Call, shown: dict[str, Any], host: Host) -> dict[str, Any]:
    """The host's servers, where ``with_servers`` (from 2.53) asks for them."""
    wanted = call.params.get("with_servers", "false").lower() in ("true", "1")
    if not (wanted and call.at_least("2.53")):
        return shown
    rows = call.session.execute(select(Server.id, Server.name).where(Server.host == host.name))
    return shown | {"servers": [{"uuid": row.id, "name": row.name} for row in rows]}


def show_hypervisor(call: Call, hypervisor_id: str) -> dict[str, Any]:
    """One hypervisor."""
    for host in all_hosts(call.session):
        if str(_id(call, host)) == hypervisor_id:
            used = used_by_host(call.session).get(host.name, Used())
            return {"hypervisor": _with_servers(call, wire(call, host, used), host)}
    raise NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")


def show_statistics(call: Call) -> dict[str, Any]:
    """Sums over all hypervisors (until 2.87)."""
    if call.at_least("2.88"):
        raise NotFound("The resource could not be found.")
    used = used_by_host(call.session)
    entries = [wire(call, host, used.get(host.name, Used())) for host in all_hosts(call.session)]
    summed = (
        *("current_workload", "running_vms", "vcpus", "vcpus_used", "memory_mb"),
        *("memory_mb_used", "free_ram_mb", "local_gb", "local_gb_used", "free_disk_gb"),
        "disk_available_least",
    )
    totals = {name: sum(entry[name] for entry in entries) for name in summed}
    return {"hypervisor_statistics": {"count": len(entries)} | totals}


def routes(table: Routes) -> None:
    """Add the routes of hypervisors."""
    path = "/os-hypervisors"
    table.add("GET", path, list_hypervisors, policy=POLICY)
    table.add("GET", path + "/detail", list_hypervisors_detail, policy=POLICY)
    table.add("GET", path + "/statistics", show_statistics, policy=POLICY)
    table.add("GET", path + "/{hypervisor_id}", show_hypervisor, policy=POLICY)
