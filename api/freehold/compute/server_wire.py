"""A server as the Compute API shows it, in every microversion from 2.1 to 2.96."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from freehold.access import Rule
from freehold.compute.host_state import is_up
from freehold.compute.instance_action import host_id
from freehold.compute.link import bookmark, links
from freehold.compute.server import Server
from freehold.compute.server_address import addresses
from freehold.compute.server_status import WITH_FAULT, WITH_PROGRESS, State, state
from freehold.compute.times import iso_time, long_time
from freehold.hosts import Host, all_hosts
from freehold.http import Call
from freehold.network import PortView, ports_of

EXTENDED = "os_compute_api:os-extended-server-attributes"
HOST_STATUS = "os_compute_api:servers:show:host_status"
EXTRA_SPECS = "os_compute_api:servers:show:flavor-extra-specs"
RULES = [
    Rule(EXTENDED, "rule:admin_required", "See host, user data and such of a server"),
    Rule(HOST_STATUS, "rule:admin_required", "See the state of a server's host"),
    Rule(EXTRA_SPECS, "rule:admin_or_reader", "See extra specs in a server's flavor"),
]
FAULT_CODE = 500
ROOT_DEVICE = "/dev/vda"


@dataclass(frozen=True)
class Around:
    """What is shown with servers but stands in other rows, read once for a whole list."""

    ports: Mapping[str, Sequence[PortView]]
    hosts: Mapping[str, Host]


def around(session: Session, servers: Sequence[Server]) -> Around:
    """Read the ports of these servers and the hosts: two queries, however many servers."""
    ports = ports_of(session, [server.id for server in servers]) if servers else {}
    hosts = {host.name: host for host in all_hosts(session)} if servers else {}
    return Around(ports, hosts)


def basic_wire(call: Call, server: Server) -> dict[str, Any]:
    """As ``GET /servers`` shows it."""
    return {"id": server.id, "name": server.name, "links": links(call, "servers", server.id)}


def wire(
    call: Call, server: Server, near: Around, *, whole: bool = True, in_list: bool = False
) -> dict[str, Any]:
    """As ``GET /servers/{id}`` and ``/servers/detail`` show it.

    Args:
        whole: False leaves out what ``PUT`` does not answer before 2.75.
        in_list: ``/servers/detail``, which never shows server groups.
    """
    now = state(server)
    shown = _core(call, server, near, now, whole)
    if whole:
        shown |= _usual(call, server, near, now)
        if call.may(EXTENDED, server.policy_target):
            shown |= _extended(call, server)
        elif call.at_least("2.90"):
            shown["OS-EXT-SRV-ATTR:hostname"] = server.hostname
    return shown | _later(call, server, near, whole, in_list)


def _core(call: Call, server: Server, near: Around, now: State, whole: bool) -> dict[str, Any]:
    ports = near.ports.get(server.id, ())
    hidden = now.vm_state == "building"
    shown: dict[str, Any] = {
        "id": server.id,
        "name": server.name,
        "status": now.status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.meta,
        "hostId": host_id(server.host, server.project_id),
        "image": {
            "id": server.image_id,
            "links": [bookmark(call, "images", server.image_id)],
        },
        "flavor": _flavor(call, server),
        "created": iso_time(server.created_at),
        "updated": iso_time(server.updated_at),
        "addresses": {} if hidden else addresses(ports, extended=whole),
        "accessIPv4": server.access_ip_v4 or "",
        "accessIPv6": server.access_ip_v6 or "",
        "links": links(call, "servers", server.id),
        "OS-DCF:diskConfig": server.disk_config,
    }
    if now.status in WITH_PROGRESS:
        shown["progress"] = 0 if now.status == "BUILD" else 100
    if now.status in WITH_FAULT and server.fault:
        shown["fault"] = {
            "code": FAULT_CODE,
            "created": iso_time(datetime.fromisoformat(server.fault["at"])),
            "message": server.fault["message"],
        }
    return shown


def _flavor(call: Call, server: Server) -> dict[str, Any]:
    if not call.at_least("2.47"):
        return {"id": server.flavor_id, "links": [bookmark(call, "flavors", server.flavor_id)]}
    shown = {
        "vcpus": server.vcpus,
        "ram": server.memory_mib,
        "disk": server.root_gib,
        "ephemeral": server.flavor.get("ephemeral_gib", 0),
        "swap": server.flavor.get("swap_mib", 0),
        "original_name": server.flavor["name"],
    }
    if call.may(EXTRA_SPECS, server.policy_target):
        shown["extra_specs"] = server.flavor.get("extra_specs", {})
    return shown


def _usual(call: Call, server: Server, near: Around, now: State) -> dict[str, Any]:
    host = near.hosts.get(server.host or "")
    shown: dict[str, Any] = {
        "OS-EXT-AZ:availability_zone": host.availability_zone if host else "",
        "config_drive": "True",
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": long_time(server.launched_at),
        "OS-SRV-USG:terminated_at": None,
        "OS-EXT-STS:task_state": now.task_state,
        "OS-EXT-STS:vm_state": now.vm_state,
        "OS-EXT-STS:power_state": now.power_state,
        "os-extended-volumes:volumes_attached": [],
    }
    if groups := group_names(near.ports.get(server.id, ())):
        shown["security_groups"] = [{"name": name} for name in groups]
    return shown


def group_names(ports: Sequence[PortView]) -> list[str]:
    """Names of the security groups of these ports, each once."""
    return sorted({group.name for port in ports for group in port.security_groups})


def _extended(call: Call, server: Server) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "host": server.host,
        "instance_name": server.instance_name,
        "hypervisor_hostname": server.host,
    }
    if call.at_least("2.3"):
        shown |= {
            "hostname": server.hostname,
            "kernel_id": "",
            "ramdisk_id": "",
            "launch_index": server.launch_index,
            "reservation_id": server.reservation_id,
            "root_device_name": ROOT_DEVICE,
            "user_data": server.user_data,
        }
    return {f"OS-EXT-SRV-ATTR:{name}": value for name, value in shown.items()}


def _later(call: Call, server: Server, near: Around, whole: bool, in_list: bool) -> dict[str, Any]:
    """What came with a microversion of its own."""
    shown: dict[str, Any] = {}
    if call.at_least("2.9"):
        shown["locked"] = server.locked_by is not None
    if call.at_least("2.16") and whole and call.may(HOST_STATUS, server.policy_target):
        shown["host_status"] = _host_status(call, near.hosts.get(server.host or ""))
    if call.at_least("2.19"):
        shown["description"] = server.description
    if call.at_least("2.26"):
        shown["tags"] = server.tags
    if call.at_least("2.63"):
        shown["trusted_image_certificates"] = None
    if call.at_least("2.71") and not in_list:
        shown["server_groups"] = []
    if call.at_least("2.73"):
        shown["locked_reason"] = server.locked_reason
    if call.at_least("2.96") and whole:
        shown["pinned_availability_zone"] = server.availability_zone
    return shown


def _host_status(call: Call, host: Host | None) -> str:
    if host is None:
        return ""
    if not host.enabled:
        return "MAINTENANCE"
    if host.seen_at is None:
        return "UNKNOWN"
    return "UP" if is_up(host, call.now, call.config) else "DOWN"
