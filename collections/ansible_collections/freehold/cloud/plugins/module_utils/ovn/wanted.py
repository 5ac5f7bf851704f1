# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rows of one resource shall be, and the world it is told about.

The files beside this one (``network.py``, ``port.py``, …) each turn one type of resource into a
``Wanted``. They decide; none of them reads or writes a database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    CloudError,
    Document,
    Resource,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.facts import Facts
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import (
    LINKS,
    MTU,
    OWNER,
    Link,
    Row,
    RowId,
    owner,
    written_links,
)

MAIN_TABLE = {
    "network": "Logical_Switch",
    "subnet": "DHCP_Options",
    "security_group": "Port_Group",
    "port": "Logical_Switch_Port",
    "router": "Logical_Router",
    "floating_ip": "NAT",
}


@dataclass(frozen=True)
class Wanted:
    """A resource's rows (the main one first) and links.

    ``waiting_for`` says what the world still owes, ``error`` what is wrong. ``leave`` means that
    nothing of the resource may be touched now: it is wrong as a whole, or what it needs first is
    not there.
    """

    rows: tuple[Row, ...] = ()
    links: frozenset[Link] = frozenset()
    waiting_for: tuple[str, ...] = ()
    error: CloudError | None = None
    leave: bool = False


def main_row(type_: str, id_: str) -> RowId:
    """Where a resource's main row is; its row id is the resource's id."""
    return (MAIN_TABLE[type_], id_)


@dataclass
class Draft:
    """Collects the rows and links of one resource."""

    resource: Resource
    rows: list[Row] = field(default_factory=list)
    links: set[Link] = field(default_factory=set)
    waiting_for: list[str] = field(default_factory=list)
    error: CloudError | None = None

    def add(self, table: str, uuid: str, columns: dict[str, object], **ids: str) -> None:
        """Want a row; ``ids`` are further ``external_ids`` (``_`` stands for ``-``)."""
        external = {OWNER: owner(*self.resource.key)}
        external.update({key.replace("_", "-"): value for key, value in ids.items()})
        self.rows.append(Row(table, uuid, {**columns, "external_ids": external}))

    def link(self, parent: RowId, column: str, member: str) -> None:
        """Want a row to be referred to by another."""
        self.links.add(Link(*parent, column, member))

    def wait(self, what: str) -> None:
        self.waiting_for.append(what)

    def refuse(self, error: CloudError) -> None:
        """A part is wrong and left out; the first such error is told, the rest goes on."""
        self.error = self.error or error

    def done(self) -> Wanted:
        """The result; shared links are written down, to be found again without a search.

        The main row has all of them, so that the resource finds what it let go of. A row that is
        itself linked has its own, so that whoever takes it over finds them, too.
        """
        shared = {link for link in self.links if link.shared}
        rows = []
        for row in self.rows:
            is_main = row is self.rows[0]
            mine = {link for link in shared if is_main or link.member_row == row.id}
            rows.append(_with_links(row, mine) if mine else row)
        return Wanted(
            tuple(rows), frozenset(self.links), tuple(self.waiting_for), self.error, leave=False
        )


def _with_links(row: Row, links: set[Link]) -> Row:
    ids = {**row.columns["external_ids"], LINKS: written_links(links)}
    return replace(row, columns={**row.columns, "external_ids": ids})


class World:
    """What a resource may ask about others: the document's word first, then the database's."""

    def __init__(self, document: Document, facts: Facts, wrong: frozenset[tuple[str, str]]) -> None:
        """``wrong`` are resources that stay as they are in the database, or do not come to be."""
        self._resources = {
            resource.key: resource for resource in document.resources if resource.key not in wrong
        }
        self._facts = facts
        self._router_of = {
            port_id: owner(*resource.key)
            for resource in self._resources.values()
            if resource.type == "router"
            for port_id in router_port_ids(resource)
        }

    def missing(self, type_: str, ids: Iterable[str]) -> list[str]:
        """Those that will not be there after this document."""
        return [id_ for id_ in ids if not self.has(type_, id_)]

    def has(self, type_: str, id_: str) -> bool:
        resource = self._resources.get((type_, id_))
        if resource is not None:
            return not resource.removed
        return self._facts.external_ids(main_row(type_, id_)) is not None

    def mtu(self, network_id: str) -> int:
        """A network's MTU; 0 when it is not known."""
        resource = self._resources.get(("network", network_id))
        if resource is not None:
            return 0 if resource.removed else int(resource.wanted["mtu"])
        ids = self._facts.external_ids(main_row("network", network_id)) or {}
        mtu = ids.get(MTU, "")
        return int(mtu) if mtu.isdecimal() else 0

    def has_dhcp(self, subnet_id: str) -> bool:
        """Whether OVN answers DHCP for a subnet."""
        resource = self._resources.get(("subnet", subnet_id))
        if resource is not None:
            return not resource.removed and serves_dhcp(resource.wanted)
        return bool(self._facts.column(main_row("subnet", subnet_id), "cidr"))

    def router_of_port(self, port_id: str) -> str | None:
        """The owner of a port's row, when that is a router: its interfaces are ports as well."""
        if port_id in self._router_of:
            return self._router_of[port_id]
        ids = self._facts.external_ids(main_row("port", port_id)) or {}
        found = ids.get(OWNER, "")
        router_id = found.removeprefix("router/")
        gone = self._resources.get(("router", router_id))
        # A router in the document that no longer names the port has given it up.
        return found if found.startswith("router/") and gone is None else None


def serves_dhcp(subnet: Mapping[str, Any]) -> bool:
    """Whether guests of a subnet ask a DHCP server; with SLAAC they make their addresses."""
    return bool(subnet["enable_dhcp"]) and subnet["address_mode"] != "slaac"


def router_port_ids(router: Resource) -> set[str]:
    """The ports that a router in the document has."""
    if router.removed:
        return set()
    ids = {interface["port_id"] for interface in router.wanted["interfaces"]}
    gateway = router.wanted["gateway"]
    return ids | ({gateway["port_id"]} if gateway else set())
