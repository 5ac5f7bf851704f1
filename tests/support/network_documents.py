"""Builders of network documents: what is not said is ordinary.

``cloud()`` is the whole picture: a private and an external network, two ports with a security
group, a router between them, a floating IP. Its document is also kept as
``tests/support/documents/network.json``; ``network-removed.json`` takes all of it away.
"""

from __future__ import annotations

from typing import Any

SECTIONS = ("networks", "subnets", "security_groups", "ports", "routers", "floating_ips")


def uuid(number: int) -> str:
    """An id whose first six digits are the number; ``ovn-trace`` shows no more of ports' names."""
    return f"{number:06x}00-0000-4000-8000-000000000000"


PRIVATE, EXTERNAL = uuid(0x101), uuid(0x102)
PRIVATE_SUBNET, EXTERNAL_SUBNET = uuid(0x201), uuid(0x202)
GROUP = uuid(0x301)
PORT_1, PORT_2 = uuid(0x401), uuid(0x402)
ROUTER, ROUTER_INSIDE, ROUTER_OUTSIDE = uuid(0x501), uuid(0x502), uuid(0x503)
FLOATING_IP = uuid(0x601)


def _present(id_: str, fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {"id": id_, "generation": 1, "state": "present", **fields, **changes}


def removed(id_: str, generation: int = 2) -> dict[str, Any]:
    return {"id": id_, "generation": generation, "state": "removed"}


def network(id_: str = PRIVATE, **changes: Any) -> dict[str, Any]:
    fields = {"name": "private", "mtu": 1450, "external": False}
    return _present(id_, {**fields, "physical_network": None, "vlan_id": None}, changes)


def external_network(id_: str = EXTERNAL, **changes: Any) -> dict[str, Any]:
    fields = {"name": "external", "mtu": 1500, "external": True, "physical_network": "physnet1"}
    return network(id_, **{**fields, **changes})


def subnet(id_: str = PRIVATE_SUBNET, **changes: Any) -> dict[str, Any]:
    fields = {
        "network_id": PRIVATE,
        "ip_version": 4,
        "cidr": "10.10.1.0/24",
        "gateway_ip": "10.10.1.1",
        "enable_dhcp": True,
        "dhcp_server_mac": "fa:16:3e:00:00:fe",
        "address_mode": None,
        "dns_nameservers": ["10.77.0.129"],
        "host_routes": [],
        "mtu": 1450,
    }
    return _present(id_, fields, changes)


def external_subnet(**changes: Any) -> dict[str, Any]:
    fields = {
        "network_id": EXTERNAL,
        "cidr": "10.77.0.128/25",
        "gateway_ip": "10.77.0.129",
        "enable_dhcp": False,
        "dns_nameservers": [],
        "mtu": 1500,
    }
    return subnet(EXTERNAL_SUBNET, **{**fields, **changes})


def rule(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": uuid(0x3000 + number),
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        "remote_ip_prefix": None,
        "remote_group_id": None,
        **changes,
    }


def egress_rules(first: int = 1) -> list[dict[str, Any]]:
    return [
        rule(first, direction="egress"),
        rule(first + 1, direction="egress", ethertype="IPv6"),
    ]


def security_group(id_: str = GROUP, **changes: Any) -> dict[str, Any]:
    rules = [
        *egress_rules(),
        rule(3, remote_group_id=id_),
        rule(4, protocol="tcp", port_range_min=22, port_range_max=22),
    ]
    return _present(id_, {"name": "default", "stateful": True, "rules": rules}, changes)


def port(id_: str = PORT_1, address: str = "10.10.1.11", **changes: Any) -> dict[str, Any]:
    fields = {
        "network_id": PRIVATE,
        "mac": f"fa:16:3e:00:01:{int(address.rpartition('.')[2] or 0):02x}",
        "fixed_ips": [{"subnet_id": PRIVATE_SUBNET, "ip_address": address}],
        "admin_state_up": True,
        "port_security_enabled": True,
        "security_groups": [GROUP],
        "allowed_address_pairs": [],
        "host": "hv1",
    }
    return _present(id_, fields, changes)


def interface(**changes: Any) -> dict[str, Any]:
    return {
        "port_id": ROUTER_INSIDE,
        "network_id": PRIVATE,
        "mac": "fa:16:3e:00:00:01",
        "addresses": ["10.10.1.1/24"],
        "ra_mode": None,
        "mtu": 1450,
        **changes,
    }


def gateway(**changes: Any) -> dict[str, Any]:
    return {
        "port_id": ROUTER_OUTSIDE,
        "network_id": EXTERNAL,
        "mac": "fa:16:3e:00:00:f0",
        "addresses": ["10.77.0.140/25"],
        "next_hops": ["10.77.0.129"],
        "enable_snat": True,
        "snat_cidrs": ["10.10.1.0/24"],
        "snat_ip": "10.77.0.140",
        **changes,
    }


def router(id_: str = ROUTER, **changes: Any) -> dict[str, Any]:
    fields = {
        "name": "router",
        "admin_state_up": True,
        "gateway": gateway(),
        "interfaces": [interface()],
        "routes": [],
        "gateway_hosts": ["hv1", "hv2"],
    }
    return _present(id_, fields, changes)


def floating_ip(id_: str = FLOATING_IP, **changes: Any) -> dict[str, Any]:
    fields = {
        "router_id": ROUTER,
        "floating_ip": "10.77.0.141",
        "fixed_ip": "10.10.1.11",
        "port_id": PORT_1,
    }
    return _present(id_, fields, changes)


def document(scope: str = "changes", **sections: list[dict[str, Any]]) -> dict[str, Any]:
    unknown = set(sections) - set(SECTIONS)
    if unknown:
        raise ValueError(f"no such section: {unknown}")
    return {
        "format": 1,
        "target": {"kind": "network", "name": "ovn"},
        "scope": scope,
        **{name: sections.get(name, []) for name in SECTIONS},
    }


def cloud(scope: str = "changes") -> dict[str, Any]:
    return document(
        scope,
        networks=[network(), external_network()],
        subnets=[subnet(), external_subnet()],
        security_groups=[security_group()],
        ports=[port(), port(PORT_2, "10.10.1.12", host="hv2")],
        routers=[router()],
        floating_ips=[floating_ip()],
    )


def all_removed(whole: dict[str, Any]) -> dict[str, Any]:
    """The document that takes away what another one wants."""
    sections = {name: [removed(entry["id"]) for entry in whole[name]] for name in SECTIONS}
    return document(**sections)
