# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Subnet → DHCP options, which OVN's own DHCP server answers from.

The row is there also when DHCP is off or guests make their own addresses, with an empty ``cidr``:
OVN then offers nothing (ovn-northd serves only addresses inside ``cidr``), ports can refer to the
subnet all the same, and turning DHCP on changes one row and not every port.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import Resource
from ansible_collections.freehold.cloud.plugins.module_utils.ovn import values
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.wanted import (
    Draft,
    Wanted,
    World,
    serves_dhcp,
)

# What neutron gives by default; OVN keeps no leases, so a long one costs nothing.
LEASE_TIME_S = 43200


def want(resource: Resource, world: World) -> Wanted:
    entry, draft = resource.wanted, Draft(resource)
    cidr = values.network(entry["cidr"], "cidr")
    if values.version(cidr) != entry["ip_version"]:
        raise values.invalid("cidr", f"must be of IP version {entry['ip_version']}")
    options = _options_v4(entry, cidr) if entry["ip_version"] == 4 else _options_v6(entry)
    enabled = serves_dhcp(entry)
    draft.add(
        "DHCP_Options",
        resource.id,
        {"cidr": cidr if enabled else "", "options": options if enabled else {}},
    )
    return draft.done()


def _options_v4(entry: Mapping[str, Any], cidr: str) -> dict[str, str]:
    gateway = entry["gateway_ip"]
    if gateway is not None:
        gateway = _of_version(4, gateway, "gateway_ip")
    options = {
        # Without a gateway the server needs some address; nobody can hold the network's own.
        "server_id": gateway or str(ipaddress.ip_network(cidr).network_address),
        "server_mac": values.mac(entry["dhcp_server_mac"], "dhcp_server_mac"),
        "lease_time": str(LEASE_TIME_S),
    }
    if gateway:
        options["router"] = gateway
    if entry["mtu"]:
        options["mtu"] = str(entry["mtu"])
    servers = _servers(4, entry["dns_nameservers"])
    if servers:
        options["dns_server"] = "{" + ", ".join(servers) + "}"
    routes = _routes(entry["host_routes"])
    if routes:
        # RFC 3442: who takes this option ignores "router", so the default route is said again.
        default = [f"0.0.0.0/0,{gateway}"] if gateway else []
        options["classless_static_route"] = "{" + ", ".join(routes + default) + "}"
    return options


def _options_v6(entry: Mapping[str, Any]) -> dict[str, str]:
    """Stateful: OVN gives each port the address that the port has. Stateless: resolvers only."""
    options = {"server_id": values.mac(entry["dhcp_server_mac"], "dhcp_server_mac")}
    if entry["address_mode"] == "dhcpv6-stateless":
        options["dhcpv6_stateless"] = "true"
    if entry["gateway_ip"] is not None:
        _of_version(6, entry["gateway_ip"], "gateway_ip")
    if entry["host_routes"]:
        raise values.invalid("host_routes", "cannot be told to guests over IPv6; remove them")
    servers = _servers(6, entry["dns_nameservers"])
    if servers:
        options["dns_server"] = "{" + ", ".join(servers) + "}"
    return options


def _servers(version: int, servers: list[str]) -> list[str]:
    checked = [values.address(one, f"dns_nameservers[{i}]") for i, one in enumerate(servers)]
    # A resolver of the other family is of no use in this family's answer.
    return [one for one in checked if values.version(one) == version]


def _routes(routes: list[dict[str, str]]) -> list[str]:
    written = []
    for index, route in enumerate(routes):
        where = f"host_routes[{index}]"
        destination = values.network(route["destination"], f"{where}.destination")
        next_hop = _of_version(4, route["nexthop"], f"{where}.nexthop")
        if values.version(destination) != 4:
            raise values.invalid(f"{where}.destination", "must be of IP version 4")
        written.append(f"{destination},{next_hop}")
    return written


def _of_version(version: int, value: str, where: str) -> str:
    checked = values.address(value, where)
    if values.version(checked) != version:
        raise values.invalid(where, f"must be of IP version {version}")
    return checked
