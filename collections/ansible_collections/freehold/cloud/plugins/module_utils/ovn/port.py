# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Port → logical switch port, its security groups' port groups, its subnets' DHCP options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import Resource
from ansible_collections.freehold.cloud.plugins.module_utils.ovn import values
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.security_group import DROP_GROUP
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.wanted import (
    Draft,
    Wanted,
    World,
    main_row,
)


def want(resource: Resource, world: World) -> Wanted:
    """A port that is a router's interface belongs to the router, which wants its row."""
    entry, draft = resource.wanted, Draft(resource)
    columns = port_columns(resource.id, entry, world)
    if world.router_of_port(resource.id):
        return Wanted(leave=True)
    if not world.has("network", entry["network_id"]):
        return Wanted(waiting_for=(f"network {entry['network_id']}",), leave=True)
    for subnet_id in dict.fromkeys(fixed["subnet_id"] for fixed in entry["fixed_ips"]):
        if not world.has("subnet", subnet_id):
            draft.wait(f"subnet {subnet_id}")
    draft.add("Logical_Switch_Port", resource.id, columns)
    draft.link(main_row("network", entry["network_id"]), "ports", resource.id)
    if entry["port_security_enabled"]:
        draft.link(DROP_GROUP, "ports", resource.id)
    for group_id in entry["security_groups"]:
        if world.has("security_group", group_id):
            draft.link(main_row("security_group", group_id), "ports", resource.id)
        else:
            draft.wait(f"security group {group_id}")
    return draft.done()


def port_columns(port_id: str, entry: Mapping[str, Any], world: World) -> dict[str, Any]:
    """All columns of a guest's port; also those to be emptied if it was a router's before."""
    addresses, security = _addresses(entry)
    host = entry["host"]
    return {
        "name": port_id,
        "type": "",
        "addresses": addresses,
        "port_security": security,
        "options": {"requested-chassis": values.token(host, "host")} if host else {},
        "enabled": entry["admin_state_up"],
        "dhcpv4_options": _dhcp(entry, 4, world),
        "dhcpv6_options": _dhcp(entry, 6, world),
    }


def _addresses(entry: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """``addresses`` (where OVN finds the port) and ``port_security`` (what it may send from)."""
    mac = values.mac(entry["mac"], "mac")
    fixed = [
        values.address(one["ip_address"], f"fixed_ips[{index}].ip_address")
        for index, one in enumerate(entry["fixed_ips"])
    ]
    allowed: dict[str, list[str]] = {mac: list(fixed)}
    for index, pair in enumerate(entry["allowed_address_pairs"]):
        where = f"allowed_address_pairs[{index}]"
        pair_mac = values.mac(pair["mac_address"] or mac, f"{where}.mac_address")
        address = values.address_or_network(pair["ip_address"], f"{where}.ip_address")
        if address not in allowed.setdefault(pair_mac, []):
            allowed[pair_mac].append(address)
    own = " ".join([mac, *fixed])
    if not entry["port_security_enabled"]:
        return frozenset({own, "unknown"}), frozenset()
    others = {other for other in allowed if other != mac}
    return (
        frozenset({own, *others}),
        frozenset(" ".join([one, *addresses]) for one, addresses in allowed.items()),
    )


def _dhcp(entry: Mapping[str, Any], version: int, world: World) -> str | None:
    """The subnet that answers the port's DHCP: the first of its addresses' that has DHCP on.

    OVN allows one a family. A subnet without DHCP is referred to all the same, so that turning it
    on needs no change of the port.
    """
    subnets = [
        fixed["subnet_id"]
        for fixed in entry["fixed_ips"]
        if values.version(fixed["ip_address"]) == version
        and world.has("subnet", fixed["subnet_id"])
    ]
    serving = [subnet_id for subnet_id in subnets if world.has_dhcp(subnet_id)]
    return next(iter(serving or subnets), None)
