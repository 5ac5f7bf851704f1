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

KINDS: dict[str, Any] = {
    "network": Network,
    "subnet": Subnet,
    "port": Port,
    "router": Router,
    "floatingip": FloatingIp,
    "security_group": SecurityGroup,
    "security_group_rule": SecurityGroupRule,
}
