"""Which rows are counted for which limit."""

from __future__ import annotations

from typing import Any

from freehold.network.floating_ip import FloatingIp
from freehold.network.network import Network
from freehold.network.port import Port
from freehold.network.router import Router
from freehold.network.security_group import SecurityGroup
from freehold.network.security_group_rule import SecurityGroupRule
from freehold.network.subnet import Subnet
from freehold.network.subnet_pool import SubnetPool

KINDS: dict[str, Any] = {
    "network": Network,
    "subnet": Subnet,
    "subnetpool": SubnetPool,
    "port": Port,
    "router": Router,
    "floatingip": FloatingIp,
    "security_group": SecurityGroup,
    "security_group_rule": SecurityGroupRule,
}
