"""Networking API v2.0: networks, subnets, ports, routers, floating IPs, security groups.

Rows here become OVN's logical network through one target, ``network/ovn``. The compute room plugs
servers in and out with the functions offered below; this room never asks compute.
"""

from freehold.access import Rule, Tokens
from freehold.config import Config
from freehold.http import Routes
from freehold.jobs import TargetKind
from freehold.network import (
    extension,
    floating_ip_operations,
    network,
    not_here,
    port,
    port_operations,
    quota,
    router,
    router_gateway,
    router_interface,
    security_group,
    security_group_rule_operations,
    subnet,
    subnet_operations,
    subnet_pool,
)
from freehold.network.network import tenant_networks
from freehold.network.plug import (
    FixedIpView,
    GroupView,
    PortView,
    PortWish,
    SubnetView,
    hear_of_lost_ports,
    plug,
    ports_bound,
    ports_of,
    unplug,
)
from freehold.network.security_group import (
    ChangedGroup,
    GroupChange,
    GroupWish,
    NewGroup,
    create_group,
    delete_group,
    groups_of_project,
    show_group,
    update_group,
)
from freehold.network.security_group_rule import NewRules, RuleWish
from freehold.network.security_group_rule_operations import create_rules, delete_rule
from freehold.network.server_fixed_ip import add_fixed_ip, remove_fixed_ip
from freehold.network.server_floating_ip import join_floating_ip, leave_floating_ip
from freehold.network.server_group import groups_of_server, join_group, leave_group
from freehold.network.tag import tag_routes
from freehold.network.tagged import TAGGED
from freehold.network.target import hosts_changed, target_kind
from freehold.network.version import TABLE, VERSION_ROUTES

_FILES = (
    network,
    subnet,
    subnet_operations,
    subnet_pool,
    port,
    port_operations,
    router,
    router_gateway,
    router_interface,
    floating_ip_operations,
    security_group,
    security_group_rule_operations,
    quota,
    extension,
    not_here,
)
for _file in _FILES:
    if hasattr(_file, "routes"):
        _file.routes(TABLE)
for _collection, _find_row in TAGGED.items():
    tag_routes(TABLE, _collection, _find_row)

ROUTES: list[Routes] = [TABLE, VERSION_ROUTES]
RULES: list[Rule] = [rule for file in _FILES for rule in getattr(file, "RULES", ())]


def target_kinds(_config: Config, _tokens: Tokens) -> list[TargetKind]:
    """The one kind of target of this room."""
    return [target_kind()]


__all__ = [
    "ROUTES",
    "RULES",
    "ChangedGroup",
    "FixedIpView",
    "GroupChange",
    "GroupView",
    "GroupWish",
    "NewGroup",
    "NewRules",
    "PortView",
    "PortWish",
    "RuleWish",
    "SubnetView",
    "add_fixed_ip",
    "create_group",
    "create_rules",
    "delete_group",
    "delete_rule",
    "groups_of_project",
    "groups_of_server",
    "hear_of_lost_ports",
    "hosts_changed",
    "join_floating_ip",
    "join_group",
    "leave_floating_ip",
    "leave_group",
    "plug",
    "ports_bound",
    "ports_of",
    "remove_fixed_ip",
    "show_group",
    "target_kinds",
    "tenant_networks",
    "unplug",
    "update_group",
]
