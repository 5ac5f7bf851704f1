# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Router → logical router, ports with peers on the switches, routes, source NAT, gateways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import Resource
from ansible_collections.freehold.cloud.plugins.module_utils.ovn import values
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import derived_id
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.wanted import (
    Draft,
    Wanted,
    World,
    main_row,
)

# Routers learn neighbours when they need them, not all of a large external network's.
ROUTER_OPTIONS = {"always_learn_from_arp_request": "false", "dynamic_neigh_routers": "true"}


def want(resource: Resource, world: World) -> Wanted:
    entry, draft = resource.wanted, Draft(resource)
    draft.add(
        "Logical_Router",
        resource.id,
        {
            "name": f"freehold-{resource.id}",
            "enabled": entry["admin_state_up"],
            "options": ROUTER_OPTIONS,
        },
        freehold_name=values.label(entry["name"]),
    )
    gateway = entry["gateway"]
    gateway_mtu = world.mtu(gateway["network_id"]) if gateway else 0
    for index, interface in enumerate(entry["interfaces"]):
        _interface(draft, world, interface, gateway_mtu, f"interfaces[{index}]")
    if gateway:
        _gateway(draft, world, gateway, gateway_mtu, entry)
    for index, route in enumerate(entry["routes"]):
        destination = values.network(route["destination"], f"routes[{index}].destination")
        next_hop = values.address(route["nexthop"], f"routes[{index}].nexthop")
        _route(draft, destination, next_hop, None)
    return draft.done()


def port_name(port_id: str) -> str:
    return f"lrp-{port_id}"


def _port(draft: Draft, world: World, port: Mapping[str, Any], where: str, **more: Any) -> str:
    """A router port and its peer on the switch; return the router port's row id or nothing."""
    mac = values.mac(port["mac"], f"{where}.mac")
    networks = frozenset(
        values.interface(one, f"{where}.addresses[{index}]")
        for index, one in enumerate(port["addresses"])
    )
    if not networks:
        raise values.invalid(f"{where}.addresses", "must not be empty")
    if not world.has("network", port["network_id"]):
        draft.wait(f"network {port['network_id']}")
        return ""
    port_id = port["port_id"]
    uuid = derived_id("router_port", port_id)
    peer_options = {"router-port": port_name(port_id), **more.pop("peer_options", {})}
    draft.add(
        "Logical_Router_Port",
        uuid,
        {"name": port_name(port_id), "mac": mac, "networks": networks, **more},
    )
    draft.link(main_row("router", draft.resource.id), "ports", uuid)
    draft.add(
        "Logical_Switch_Port",
        port_id,
        {
            "name": port_id,
            "type": "router",
            "addresses": frozenset({"router"}),
            "port_security": frozenset(),
            "options": peer_options,
            "enabled": None,
            "dhcpv4_options": None,
            "dhcpv6_options": None,
        },
    )
    draft.link(main_row("network", port["network_id"]), "ports", port_id)
    return uuid


def _interface(
    draft: Draft, world: World, interface: Mapping[str, Any], gateway_mtu: int, where: str
) -> None:
    mtu = interface["mtu"]
    # Packets from a network with larger frames get "fragmentation needed" instead of being lost.
    narrower = 0 < mtu < gateway_mtu
    _port(
        draft,
        world,
        interface,
        where,
        options={"gateway_mtu": str(mtu)} if narrower else {},
        ipv6_ra_configs=_router_advertisement(interface),
    )


def _router_advertisement(interface: Mapping[str, Any]) -> dict[str, str]:
    """IPv6 guests learn their router from advertisements, and how to get an address."""
    mode = interface["ra_mode"]
    if mode is None:  # another router advertises there, or there is no IPv6
        return {}
    configs = {"address_mode": mode.replace("-", "_"), "send_periodic": "true"}
    if interface["mtu"]:
        configs["mtu"] = str(interface["mtu"])
    return configs


def _gateway(
    draft: Draft, world: World, gateway: Mapping[str, Any], mtu: int, entry: Mapping[str, Any]
) -> None:
    widest = max([interface["mtu"] for interface in entry["interfaces"]], default=0)
    uuid = _port(
        draft,
        world,
        gateway,
        "gateway",
        options={"gateway_mtu": str(mtu)} if 0 < mtu < widest else {},
        ipv6_ra_configs={},
        # The host that becomes the gateway announces the router's and the floating addresses.
        peer_options={"nat-addresses": "router"},
    )
    next_hops = [
        values.address(one, f"gateway.next_hops[{index}]")
        for index, one in enumerate(gateway["next_hops"])
    ]
    nat = _source_nat(gateway)
    hosts = [values.token(host, "gateway_hosts") for host in entry["gateway_hosts"]]
    if not uuid:
        return
    for next_hop in next_hops:
        default = "0.0.0.0/0" if values.version(next_hop) == 4 else "::/0"
        _route(draft, default, next_hop, port_name(gateway["port_id"]))
    for external_ip, cidr in nat:
        _snat(draft, external_ip, cidr)
    _gateway_chassis(draft, uuid, port_name(gateway["port_id"]), hosts)


def _gateway_chassis(draft: Draft, port_uuid: str, port: str, hosts: list[str]) -> None:
    """The first host is the gateway, the others take over in their order (ovn-nb(5))."""
    if not hosts:
        draft.wait("a gateway host: without one nothing passes to or from outside")
    for place, host in enumerate(hosts):
        uuid = derived_id("gateway_chassis", port, host)
        draft.add(
            "Gateway_Chassis",
            uuid,
            {"name": f"{port}_{host}", "chassis_name": host, "priority": len(hosts) - place},
        )
        draft.link(("Logical_Router_Port", port_uuid), "gateway_chassis", uuid)


def _source_nat(gateway: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not gateway["enable_snat"] or gateway["snat_ip"] is None:
        return []
    external_ip = values.address(gateway["snat_ip"], "gateway.snat_ip")
    cidrs = [
        values.network(cidr, f"gateway.snat_cidrs[{index}]")
        for index, cidr in enumerate(gateway["snat_cidrs"])
    ]
    # IPv6 is routed with its own addresses, never translated to an IPv4 one.
    same = values.version(external_ip)
    return [(external_ip, cidr) for cidr in cidrs if values.version(cidr) == same]


def _snat(draft: Draft, external_ip: str, cidr: str) -> None:
    uuid = derived_id("snat", draft.resource.id, cidr)
    draft.add("NAT", uuid, {"type": "snat", "external_ip": external_ip, "logical_ip": cidr})
    draft.link(main_row("router", draft.resource.id), "nat", uuid)


def _route(draft: Draft, destination: str, next_hop: str, output_port: str | None) -> None:
    if values.version(destination) != values.version(next_hop):
        raise values.invalid("routes", "must have destination and next hop of one IP version")
    router_id = draft.resource.id
    uuid = derived_id("route", router_id, destination, next_hop)
    draft.add(
        "Logical_Router_Static_Route",
        uuid,
        {"ip_prefix": destination, "nexthop": next_hop, "output_port": output_port},
    )
    draft.link(main_row("router", router_id), "static_routes", uuid)
