"""Security groups of a server: ``/servers/{id}/os-security-groups`` and their two actions.

Old views of what the Networking API owns; rules that nova's form cannot tell (egress) are left out,
as nova leaves them out.
"""

from __future__ import annotations

from typing import Any

from freehold.access import Rule
from freehold.compute.server import Server, find_server
from freehold.errors import BadRequest, NotFound
from freehold.http import Call, Routes
from freehold.network import groups_of_server, join_group, leave_group

POLICY = "os_compute_api:os-security-groups"
RULES = [
    Rule(f"{POLICY}:list", "rule:admin_or_reader", "List a server's security groups"),
    Rule(f"{POLICY}:add", "rule:admin_or_member", "Add a server to a security group"),
    Rule(f"{POLICY}:remove", "rule:admin_or_member", "Take a server out of a security group"),
]


def list_groups(call: Call, server_id: str) -> dict[str, Any]:
    """The groups of all its ports, each once."""
    server = find_server(call, server_id, f"{POLICY}:list")
    groups = groups_of_server(call.session, server.id)
    names = {group["id"]: group["name"] for group in groups}
    return {"security_groups": [group_wire(group, names) for group in groups]}


def group_wire(group: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """A group in nova's form; ``names`` are those of the groups that rules may refer to."""
    return {
        "id": group["id"],
        "name": group["name"],
        "description": group["description"],
        "tenant_id": group["project_id"],
        "rules": [
            rule_wire(rule, names)
            for rule in group["security_group_rules"]
            if rule["direction"] == "ingress"
        ],
    }


def rule_wire(rule: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """A rule in nova's form."""
    remote = rule["remote_group_id"]
    return {
        "id": rule["id"],
        "parent_group_id": rule["security_group_id"],
        "ip_protocol": rule["protocol"],
        "from_port": rule["port_range_min"],
        "to_port": rule["port_range_max"],
        "group": {"name": names.get(remote, ""), "tenant_id": rule["project_id"]} if remote else {},
        "ip_range": {} if remote else {"cidr": rule["remote_ip_prefix"] or _anywhere(rule)},
    }


def _anywhere(rule: dict[str, Any]) -> str:
    return "0.0.0.0/0" if rule["ethertype"] == "IPv4" else "::/0"


def add(call: Call, server: Server, argument: Any) -> None:
    """Filter all its ports by one group more."""
    _change(call, server, argument, join_group)


def remove(call: Call, server: Server, argument: Any) -> None:
    """Filter none of its ports by a group any longer."""
    _change(call, server, argument, leave_group)


def _change(call: Call, server: Server, argument: Any, change: Any) -> None:
    name = argument.get("name") if isinstance(argument, dict) and len(argument) == 1 else None
    if not isinstance(name, str) or not name.strip() or len(name) > 255:
        raise BadRequest("Invalid input for a security group: name is its name or id.")
    try:
        change(call.session, server.id, server.project_id, name, call.now)
    except BadRequest as error:
        # The group is what the path's action is about, so its absence is a 404 here.
        raise NotFound(error.message, kind=error.kind) from error
    server.updated_at = call.now
    call.audit("update", "server", server.id, security_group=name)


def routes(table: Routes) -> None:
    """Serve the list; the actions are in the actions' table."""
    path = "/servers/{server_id}/os-security-groups"
    table.add("GET", path, list_groups, policy=f"{POLICY}:list")
