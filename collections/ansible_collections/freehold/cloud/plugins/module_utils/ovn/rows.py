# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows of the OVN northbound database as plain Python values, and their form on the wire.

Only the columns that Freehold writes or reads are here; ``ovn-nb(5)`` has them all. A test compares
this table with the schema that Debian ships.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

DATABASE = "OVN_Northbound"

# Column kinds. A "maybe" is OVSDB's set of at most one value, here a value or None.
COLUMNS: dict[str, dict[str, str]] = {
    "Logical_Switch": {"name": "text", "ports": "references", "external_ids": "map"},
    "Logical_Switch_Port": {
        "name": "text",
        "type": "text",
        "addresses": "texts",
        "port_security": "texts",
        "options": "map",
        "dhcpv4_options": "maybe_reference",
        "dhcpv6_options": "maybe_reference",
        "enabled": "maybe_flag",
        "up": "maybe_flag",
        "tag": "maybe_number",
        "external_ids": "map",
    },
    "DHCP_Options": {"cidr": "text", "options": "map", "external_ids": "map"},
    "Port_Group": {
        "name": "text",
        "ports": "references",
        "acls": "references",
        "external_ids": "map",
    },
    "ACL": {
        "priority": "number",
        "direction": "text",
        "match": "text",
        "action": "text",
        "external_ids": "map",
    },
    "Logical_Router": {
        "name": "text",
        "enabled": "maybe_flag",
        "ports": "references",
        "static_routes": "references",
        "nat": "references",
        "options": "map",
        "external_ids": "map",
    },
    "Logical_Router_Port": {
        "name": "text",
        "mac": "text",
        "networks": "texts",
        "gateway_chassis": "references",
        "ipv6_ra_configs": "map",
        "options": "map",
        "external_ids": "map",
    },
    "Gateway_Chassis": {
        "name": "text",
        "chassis_name": "text",
        "priority": "number",
        "external_ids": "map",
    },
    "Logical_Router_Static_Route": {
        "ip_prefix": "text",
        "nexthop": "text",
        "output_port": "maybe_text",
        "external_ids": "map",
    },
    "NAT": {
        "type": "text",
        "external_ip": "text",
        "logical_ip": "text",
        "external_ids": "map",
    },
}

# Rows of these tables live without being referenced; all others die with their last reference.
ROOT_TABLES = frozenset({"Logical_Switch", "DHCP_Options", "Port_Group", "Logical_Router"})

# (table, column) -> table of the members, where a row's members belong to its own resource alone.
OWN_CHILDREN = {
    ("Port_Group", "acls"): "ACL",
    ("Logical_Router", "ports"): "Logical_Router_Port",
    ("Logical_Router", "static_routes"): "Logical_Router_Static_Route",
    ("Logical_Router_Port", "gateway_chassis"): "Gateway_Chassis",
}

# The same where resources share the column: it grows with the cloud, so it is never read whole,
# except when its row is to be deleted.
SHARED_MEMBERS = {
    ("Logical_Switch", "ports"): "Logical_Switch_Port",
    ("Port_Group", "ports"): "Logical_Switch_Port",
    ("Logical_Router", "nat"): "NAT",
}

# Keys that are ours in maps where others (operators, other software) may set keys of their own.
# In maps that are not listed every key is ours.
OUR_KEYS: dict[tuple[str, str], frozenset[str]] = {
    ("Logical_Switch_Port", "options"): frozenset(
        {"network_name", "requested-chassis", "router-port", "nat-addresses"}
    ),
    ("Logical_Router", "options"): frozenset(
        {"always_learn_from_arp_request", "dynamic_neigh_routers"}
    ),
    ("Logical_Router_Port", "options"): frozenset({"gateway_mtu"}),
}
OWNER, NAME, MTU, LINKS = "freehold", "freehold-name", "freehold-mtu", "freehold-links"
_OUR_EXTERNAL_IDS = frozenset({OWNER, NAME, MTU, LINKS})

_NAMESPACE = uuid.UUID("5f1c7f57-5a0e-4b5c-9d0f-3e1f5d8c2a64")

RowId = tuple[str, str]


def derived_id(*parts: str) -> str:
    """The row id of a thing that has no id of its own; the same parts always give the same."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


def owner(type_: str, id_: str) -> str:
    """The value of ``external_ids:freehold`` of all rows that belong to a resource."""
    return f"{type_}/{id_}"


@dataclass(frozen=True)
class Row:
    """A row that is wanted, with the columns that are ours to say."""

    table: str
    uuid: str
    columns: Mapping[str, Any] = field(hash=False)

    @property
    def id(self) -> RowId:
        return (self.table, self.uuid)


@dataclass(frozen=True, order=True)
class Link:
    """``member`` is in ``column`` of the row ``uuid`` of ``table``."""

    table: str
    uuid: str
    column: str
    member: str

    @property
    def parent(self) -> RowId:
        return (self.table, self.uuid)

    @property
    def shared(self) -> bool:
        return (self.table, self.column) in SHARED_MEMBERS

    @property
    def member_row(self) -> RowId:
        place = (self.table, self.column)
        return ((SHARED_MEMBERS if self.shared else OWN_CHILDREN)[place], self.member)


def written_links(links: Iterable[Link]) -> str:
    """Shared links as kept in ``external_ids:freehold-links``.

    They are written down beside the resource's main row so that what it was linked to is found
    again without searching the tables it could be in.
    """
    return " ".join(
        f"{link.table}.{link.column}/{link.uuid}/{link.member}" for link in sorted(links)
    )


def read_links(text: str) -> frozenset[Link]:
    """Undo ``written_links``; what does not look like one of ours is skipped."""
    links = set()
    for word in text.split():
        place, _slash, ids = word.partition("/")
        table, _dot, column = place.partition(".")
        parent, _slash, member = ids.partition("/")
        if (table, column) in SHARED_MEMBERS and parent and member:
            links.add(Link(table, parent, column, member))
    return frozenset(links)


def our_part(table: str, column: str, value: Mapping[str, str]) -> dict[str, str]:
    """The keys of a map that are ours to set and to remove."""
    if column == "external_ids":
        keys: frozenset[str] | None = _OUR_EXTERNAL_IDS
    else:
        keys = OUR_KEYS.get((table, column))
    return {key: item for key, item in value.items() if keys is None or key in keys}


def to_wire(kind: str, value: Any) -> Any:
    """A column's value as RFC 7047 section 5.1 writes it."""
    if kind == "map":
        return ["map", [[key, value[key]] for key in sorted(value)]]
    if kind == "references":
        return ["set", [["uuid", item] for item in sorted(value)]]
    if kind == "texts":
        return ["set", sorted(value)]
    if kind.startswith("maybe_"):
        return ["set", []] if value is None else to_wire(kind.removeprefix("maybe_"), value)
    return ["uuid", value] if kind == "reference" else value


def from_wire(kind: str, value: Any) -> Any:
    """Undo ``to_wire``. A set of one value comes without the word ``set``."""
    if kind == "map":
        return dict(value[1])
    if kind in ("references", "texts") or kind.startswith("maybe_"):
        whole = isinstance(value, list) and value[0] == "set"
        items = value[1] if whole else [value]
        if kind == "texts":
            return frozenset(items)
        if kind == "references":
            return frozenset(item[1] for item in items)
        return from_wire(kind.removeprefix("maybe_"), items[0]) if items else None
    return value[1] if kind == "reference" else value


def where_uuid(row_uuid: str) -> list[Any]:
    """The condition that the server answers by its index instead of a scan of the table."""
    return [["_uuid", "==", ["uuid", row_uuid]]]
