"""What a guest is told of itself: the config drive's ``meta_data.json``, ``network_data.json``.

Pure, and the same for the same rows: the host writes the drive again when it differs. Formats:
nova's user guide, "Metadata", and the JSON schema of ``network_data.json`` beside it. Everything
that a tenant wrote is carried as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from freehold.compute.server import Server
from freehold.network import PortView, SubnetView


def config_drive(
    server: Server, ports: Sequence[PortView], zone: str, password: str | None
) -> dict[str, Any]:
    """The ``config_drive`` part of a server in a host document."""
    return {
        "meta_data": meta_data(server, ports, zone, password),
        "network_data": network_data(ports),
        "user_data": server.user_data,
    }


def meta_data(
    server: Server, ports: Sequence[PortView], zone: str, password: str | None
) -> dict[str, Any]:
    """``openstack/latest/meta_data.json``; with the administrator's password, as nova's drives."""
    told: dict[str, Any] = {
        "uuid": server.id,
        "name": server.name,
        "hostname": server.hostname,
        "project_id": server.project_id,
        "availability_zone": zone,
        "launch_index": server.launch_index,
        "random_seed": server.random_seed,
        "devices": _tagged(ports),
        "meta": dict(server.meta),
    }
    if password is not None:
        told["admin_pass"] = password
    if server.key:
        name, public_key = server.key_name or "", server.key["public_key"]
        told["public_keys"] = {name: public_key}
        told["keys"] = [{"name": name, "type": server.key["type"], "data": public_key}]
    return told


def _tagged(ports: Sequence[PortView]) -> list[dict[str, Any]]:
    """Interfaces that their tenant gave a tag; the host chooses the place on the bus later."""
    return [
        {
            "type": "nic",
            "bus": "none",
            "address": "none",
            "mac": port.mac_address,
            "tags": [port.tag],
        }
        for port in ports
        if port.tag is not None
    ]


def network_data(ports: Sequence[PortView]) -> dict[str, Any]:
    """``openstack/latest/network_data.json``: a link a port, a network an address."""
    links: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    services: list[dict[str, Any]] = []
    for port in ports:
        link = {
            "id": f"tap{port.id[:11]}",
            "vif_id": port.id,
            "type": "ovs",
            "mtu": port.mtu,
            "ethernet_mac_address": port.mac_address,
        }
        links.append(link)
        for fixed in port.fixed_ips:
            number = len(networks)
            network = _network(number, str(link["id"]), port, fixed.address, fixed.subnet)
            networks.append(network)
            services += [dns for dns in _dns(fixed.subnet) if dns not in services]
    return {"links": links, "networks": networks, "services": services}


def _network(
    number: int, link: str, port: PortView, address: str, subnet: SubnetView
) -> dict[str, Any]:
    version = subnet.ip_version
    told: dict[str, Any] = {
        "id": f"network{number}",
        "type": f"ipv{version}_dhcp" if subnet.enable_dhcp else f"ipv{version}",
        "link": link,
        "network_id": port.network_id,
    }
    if subnet.enable_dhcp:
        return told
    return told | {
        "ip_address": address,
        "netmask": str(ip_network(subnet.cidr).netmask),
        "routes": _routes(subnet),
        "services": _dns(subnet),
    }


def _routes(subnet: SubnetView) -> list[dict[str, str]]:
    anywhere = "0.0.0.0" if subnet.ip_version == 4 else "::"  # noqa: S104
    routes = []
    if subnet.gateway_ip:
        routes.append({"network": anywhere, "netmask": anywhere, "gateway": subnet.gateway_ip})
    for route in subnet.host_routes:
        network = ip_network(route["destination"])
        routes.append(
            {
                "network": str(network.network_address),
                "netmask": str(network.netmask),
                "gateway": route["nexthop"],
            }
        )
    return routes


def _dns(subnet: SubnetView) -> list[dict[str, str]]:
    return [{"type": "dns", "address": address} for address in subnet.dns_nameservers]
