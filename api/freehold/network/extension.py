"""What this cloud's Networking API has beyond its core, by the aliases that clients look for."""

from __future__ import annotations

from typing import Any

from freehold.access import Rule
from freehold.errors import NotFound
from freehold.http import Call, Routes
from freehold.network.collection import chosen

RULES = [Rule("get_extension", "rule:logged_in", "GET /extensions")]
KNOWN = {
    "allowed-address-pairs": "Allowed Address Pairs",
    "binding": "Port Binding",
    "default-subnetpools": "Default Subnetpools",
    "external-net": "Neutron external network",
    "extraroute": "Neutron Extra Route",
    "ext-gw-mode": "Neutron L3 Configurable external gateway mode",
    "fip-port-details": "Floating IP Port Details Extension",
    "ip-substring-filtering": "IP address substring filtering",
    "net-mtu": "Network MTU",
    "pagination": "Pagination support",
    "port-security": "Port Security",
    "project-id": "project_id field enabled",
    "provider": "Provider Network",
    "quotas": "Quota management support",
    "quota_details": "Quota details management support",
    "router": "Neutron L3 Router",
    "security-group": "security-group",
    "sorting": "Sorting support",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-revisions": "Resource revision numbers",
    "standard-attr-tag": "Tag support for resources with standard attribute: network, subnet, "
    "subnetpool, port, router, floatingip, security_group",
    "standard-attr-timestamp": "Resource timestamps",
    "stateful-security-group": "Stateful security group",
    "security-groups-normalized-cidr": "Normalized CIDR field for security group rules",
    "subnet_allocation": "Subnet Allocation",
    "tag": "Tag support",
    "tag-ext": "Tag support for resources: subnet, port, router",
    "subnet-external-network": "Subnets of external networks are visible to all",
}


def _wire(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": KNOWN[alias],
        "description": KNOWN[alias],
        "updated": "2016-01-01T00:00:00-00:00",
        "links": [],
    }


def list_extensions(call: Call) -> dict[str, Any]:
    """Every extension that is really here."""
    return {"extensions": chosen(call, [_wire(alias) for alias in KNOWN])}


def show_extension(call: Call, alias: str) -> dict[str, Any]:
    """One extension."""
    if alias not in KNOWN:
        raise NotFound(f"Extension with alias {alias} does not exist", kind="HTTPNotFound")
    return {"extension": _wire(alias)}


def routes(table: Routes) -> None:
    """Add the routes of extensions."""
    table.add("GET", "/extensions", list_extensions, policy="get_extension")
    table.add("GET", "/extensions/{alias}", show_extension, policy="get_extension")
