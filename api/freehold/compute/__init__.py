"""Compute API v2.1: servers and what they are made from.

Each file of this room holds one resource type and adds its routes to the room's one table.
"""

from freehold.access import Rule
from freehold.compute import (
    aggregate,
    availability_zone,
    console,
    extension,
    flavor,
    flavor_access,
    flavor_extra_specs,
    hypervisor,
    image,
    instance_action,
    keypair,
    limits,
    quota_set,
    security_group,
    server_actions,
    server_address,
    server_change,
    server_create,
    server_fixed_ip,
    server_floating_ip,
    server_image,
    server_interface,
    server_list,
    server_locked,
    server_metadata,
    server_pause,
    server_rebuild,
    server_security_group,
    server_snapshot,
    server_tags,
    server_wire,
    service,
)
from freehold.compute.host_target import target_kinds
from freehold.compute.version import TABLE, VERSION_ROUTES
from freehold.http import Routes
from freehold.network import hear_of_lost_ports

_FILES = (
    server_create,
    server_list,
    server_change,
    server_actions,
    server_address,
    server_interface,
    server_metadata,
    server_security_group,
    server_tags,
    security_group,
    image,
    instance_action,
    flavor,
    flavor_access,
    flavor_extra_specs,
    keypair,
    limits,
    quota_set,
    availability_zone,
    hypervisor,
    aggregate,
    service,
    extension,
)
_WITH_RULES = (
    *_FILES,
    console,
    server_fixed_ip,
    server_floating_ip,
    server_locked,
    server_pause,
    server_image,
    server_rebuild,
    server_snapshot,
    server_wire,
)
for _file in _FILES:
    _file.routes(TABLE)
hear_of_lost_ports(server_interface.lose)

ROUTES: list[Routes] = [TABLE, VERSION_ROUTES]
RULES: list[Rule] = [rule for file in _WITH_RULES for rule in getattr(file, "RULES", ())]

__all__ = ["ROUTES", "RULES", "target_kinds"]
