# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sections of a network document; says what ``network.schema.json`` says (a test compares)."""

from __future__ import annotations

from ansible_collections.freehold.cloud.plugins.module_utils.document import Section
from ansible_collections.freehold.cloud.plugins.module_utils.shape import (
    array,
    boolean,
    integer,
    natural,
    nullable,
    one_of,
    record,
    resource,
    text,
    uuid,
)

_ROUTES = array(record({"destination": text, "nexthop": text}))

_MODE = nullable(one_of("slaac", "dhcpv6-stateful", "dhcpv6-stateless"))

_NETWORK = {
    "name": text,
    "mtu": natural,
    "external": boolean,
    "physical_network": nullable(text),
    "vlan_id": nullable(natural),
}
_SUBNET = {
    "network_id": uuid,
    "ip_version": one_of(4, 6),
    "cidr": text,
    "gateway_ip": nullable(text),
    "enable_dhcp": boolean,
    "dhcp_server_mac": text,
    "address_mode": _MODE,
    "dns_nameservers": array(text),
    "host_routes": _ROUTES,
    "mtu": natural,
}
_RULE = {
    "id": uuid,
    "direction": one_of("ingress", "egress"),
    "ethertype": one_of("IPv4", "IPv6"),
    "protocol": nullable(text),
    "port_range_min": nullable(integer()),
    "port_range_max": nullable(integer()),
    "remote_ip_prefix": nullable(text),
    "remote_group_id": nullable(uuid),
}
_SECURITY_GROUP = {"name": text, "stateful": boolean, "rules": array(record(_RULE))}
_PORT = {
    "network_id": uuid,
    "mac": text,
    "fixed_ips": array(record({"subnet_id": uuid, "ip_address": text})),
    "admin_state_up": boolean,
    "port_security_enabled": boolean,
    "security_groups": array(uuid),
    "allowed_address_pairs": array(record({"ip_address": text, "mac_address": text})),
    "host": nullable(text),
}
_GATEWAY = {
    "port_id": uuid,
    "network_id": uuid,
    "mac": text,
    "addresses": array(text),
    "next_hops": array(text),
    "enable_snat": boolean,
    "snat_cidrs": array(text),
    "snat_ip": nullable(text),
}
_INTERFACE = {
    "port_id": uuid,
    "network_id": uuid,
    "mac": text,
    "addresses": array(text),
    "ra_mode": _MODE,
    "mtu": natural,
}
_ROUTER = {
    "name": text,
    "admin_state_up": boolean,
    "gateway": nullable(record(_GATEWAY)),
    "interfaces": array(record(_INTERFACE)),
    "routes": _ROUTES,
    "gateway_hosts": array(text),
}
_FLOATING_IP = {
    "router_id": nullable(uuid),
    "floating_ip": text,
    "fixed_ip": nullable(text),
    "port_id": nullable(uuid),
}

# In the order in which they can be made one after another.
SECTIONS = (
    Section("networks", "network", resource(_NETWORK)),
    Section("subnets", "subnet", resource(_SUBNET)),
    Section("security_groups", "security_group", resource(_SECURITY_GROUP)),
    Section("ports", "port", resource(_PORT)),
    Section("routers", "router", resource(_ROUTER)),
    Section("floating_ips", "floating_ip", resource(_FLOATING_IP)),
)
