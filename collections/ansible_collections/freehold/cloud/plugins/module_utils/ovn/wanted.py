# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rows of one resource shall be, and the world it is told about.

The files beside this one (``network.py``, ``port.py``, …) each turn one type of resource into a
``Wanted``. They decide; none of them reads or writes a database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

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

    ``waiting_for`` says what the world still owes. ``leave`` means that nothing of the resource may
    be touched now: it is wrong, or what it needs first is not there.
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

    def done(self) -> Wanted:
        """The result; shared links are written down in the main row, to be found again."""
        shared = written_links(link for link in self.links if link.shared)
        rows = list(self.rows)
        if rows and shared:
            ids = {**rows[0].columns["external_ids"], LINKS: shared}
            rows[0] = replace(rows[0], columns={**rows[0].columns, "external_ids": ids})
        return Wanted(tuple(rows), frozenset(self.links), tuple(self.waiting_for))


class World:
    """What a resource may ask about others: the document's word first, then the database's."""

    def __init__(self, document: Document, facts: Facts) -> None:
        self._resources = {resource.key: resource for resource in document.resources}
        self._facts = facts
        self._router_of = {
            port_id: owner(*resource.key)
            for resource in document.of("router")
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
        if resource is not None and not resource.removed:
            return int(resource.wanted["mtu"])
        ids = self._facts.external_ids(main_row("network", network_id)) or {}
        mtu = ids.get(MTU, "")
        return int(mtu) if mtu.isdecimal() else 0

    def has_dhcp(self, subnet_id: str) -> bool:
        """Whether OVN answers DHCP for a subnet."""
        resource = self._resources.get(("subnet", subnet_id))
        if resource is not None and not resource.removed:
            return bool(resource.wanted["enable_dhcp"])
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


def router_port_ids(router: Resource) -> set[str]:
    """The ports that a router in the document has."""
    if router.removed:
        return set()
    ids = {interface["port_id"] for interface in router.wanted["interfaces"]}
    gateway = router.wanted["gateway"]
    return ids | ({gateway["port_id"]} if gateway else set())
