"""Which resources have tags, and how the one with an id is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement

from freehold.access import Caller
from freehold.http import Call
from freehold.network import network, port, subnet, subnet_pool
from freehold.network.floating_ip import FloatingIp
from freehold.network.network import Network
from freehold.network.port import Port
from freehold.network.router import Router
from freehold.network.security_group import SecurityGroup
from freehold.network.standard import find, own_or
from freehold.network.subnet import Subnet
from freehold.network.subnet_pool import SubnetPool


def _of(
    kind: Any, visible: Callable[[Caller], ColumnElement[bool]] | None = None
) -> Callable[[Call, str], Any]:
    def find_row(call: Call, resource_id: str) -> Any:
        seen = visible(call.caller) if visible else own_or(call.caller, kind.project_id)
        return find(call.session, kind, resource_id, seen)

    return find_row


TAGGED: dict[str, Callable[[Call, str], Any]] = {
    "networks": _of(Network, network.visible),
    "subnets": _of(Subnet, subnet.visible),
    "subnetpools": _of(SubnetPool, subnet_pool.visible),
    "ports": _of(Port, port.visible),
    "routers": _of(Router),
    "floatingips": _of(FloatingIp),
    "security-groups": _of(SecurityGroup),
}
