# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Steps: one sentence each, with the OVSDB operations that do it.

All operations of a document become one transaction. Each carries a phase, so that the order of the
resources in the document does not matter: first all conditions, then new rows, and so on. A
condition (``wait`` with timeout 0) says what was seen when the step was decided; when somebody
changed it since, the whole transaction is refused and decided anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import Step
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import (
    COLUMNS,
    Link,
    Row,
    RowId,
    our_part,
    to_wire,
    where_uuid,
)

Operation = tuple[int, dict[str, Any]]

CONDITION, INSERT, CHANGE, UNLINK, LINK, DELETE = range(6)

NOUNS = {
    "Logical_Switch": "logical switch",
    "Logical_Switch_Port": "switch port",
    "DHCP_Options": "DHCP options",
    "Port_Group": "port group",
    "ACL": "ACL",
    "Logical_Router": "logical router",
    "Logical_Router_Port": "router port",
    "Gateway_Chassis": "gateway chassis",
    "Logical_Router_Static_Route": "route",
    "NAT": "NAT",
}


def title(row: RowId, columns: Mapping[str, Any]) -> str:
    """A row as a sentence names it. Names of rows are ours, made of ids: no tenant's word."""
    table, uuid = row
    if table == "ACL":
        words = f"{columns['direction']} {columns['match']}"
    elif table == "NAT":
        words = f"{columns['type']} {columns['external_ip']} for {columns['logical_ip']}"
    elif table == "Logical_Router_Static_Route":
        words = f"{columns['ip_prefix']} via {columns['nexthop']}"
    else:
        words = str(columns.get("name") or uuid)
    return f"{NOUNS[table]} {words}"


def insert(row: Row, links: Iterable[Link], new: set[RowId]) -> Step:
    """Make a row and the references that keep it alive. ``new`` are all rows made with it."""
    kinds = COLUMNS[row.table]
    content = {name: to_wire(kinds[name], value) for name, value in row.columns.items()}
    operations: list[Operation] = [
        (INSERT, {"op": "insert", "table": row.table, "uuid": row.uuid, "row": content})
    ]
    for link in sorted(links):
        operations += _linking(link, new)
    name = title(row.id, row.columns)
    return _step(f"create {name}", name, None, shown(row.columns), operations)


def change(row: Row, current: Mapping[str, Any]) -> list[Step]:
    """One step for each column that differs; keys of maps that are not ours stay as they are."""
    steps = []
    for column, value in row.columns.items():
        before = current[column]
        if COLUMNS[row.table][column] == "map":
            ours = our_part(row.table, column, before)
            if ours != value:
                steps.append(_change_map(row, column, before, ours))
        elif before != value:
            changed = {
                "op": "update",
                "table": row.table,
                "where": where_uuid(row.uuid),
                "row": {column: to_wire(COLUMNS[row.table][column], value)},
            }
            steps.append(_change(row, column, before, before, changed))
    return steps


def _change_map(row: Row, column: str, before: Mapping[str, str], ours: Mapping[str, str]) -> Step:
    value = row.columns[column]
    stale = [key for key in ours if value.get(key) != ours[key]]
    fresh = {key: item for key, item in value.items() if ours.get(key) != item}
    mutations = []
    if stale:
        mutations.append([column, "delete", ["set", sorted(stale)]])
    if fresh:
        mutations.append([column, "insert", to_wire("map", fresh)])
    return _change(row, column, before, ours, _mutate(row.id, mutations))


def _change(row: Row, column: str, seen: Any, before: Any, operation: dict[str, Any]) -> Step:
    name = title(row.id, row.columns)
    operations = [_still(row.id, column, seen), (CHANGE, operation)]
    after = shown({column: row.columns[column]})[column]
    return _step(
        f"set {column} of {name}",
        f"{name}: {column}",
        shown({column: before})[column],
        after,
        operations,
    )


def join(link: Link, member: str, parent: str, new: set[RowId]) -> Step:
    """Refer to a row that is there already."""
    field = f"{parent}: {link.column}: {member}"
    return _step(f"put {member} into {parent}", field, False, True, _linking(link, new))


def part(links: Iterable[Link], member: str, parent: str | None, before: Any) -> Step:
    """Give up references; without ``parent`` they were the row's last and it goes with them."""
    operations: list[Operation] = [
        (UNLINK, _mutate(link.parent, [[link.column, "delete", _one(link.member)]]))
        for link in sorted(links)
    ]
    if parent is None:
        return _step(f"remove {member}", member, before, None, operations)
    field = f"{parent}: {member}"
    return _step(f"take {member} out of {parent}", field, True, False, operations)


def delete(row: RowId, name: str, before: Any, members: Mapping[str, frozenset[str]]) -> Step:
    """Delete a row, provided that its shared columns still hold these members only."""
    operations: list[Operation] = [
        _still(row, column, expected) for column, expected in sorted(members.items())
    ]
    gone = {"op": "delete", "table": row[0], "where": where_uuid(row[1])}
    return _step(f"remove {name}", name, before, None, [*operations, (DELETE, gone)])


def transaction(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """The operations of all steps in the order of their phases."""
    operations = [operation for step in steps for operation in step.arguments["operations"]]
    return [body for _order, body in sorted(operations, key=lambda operation: operation[0])]


def shown(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as JSON can show them in a diff."""
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in columns.items()
    }


def _step(sentence: str, field: str, before: Any, after: Any, operations: list[Operation]) -> Step:
    return Step(sentence, field, before, after, "transact", {"operations": operations})


def _linking(link: Link, new: set[RowId]) -> list[Operation]:
    operations: list[Operation] = [
        (LINK, _mutate(link.parent, [[link.column, "insert", _one(link.member)]]))
    ]
    # A mutation of a row that is gone is no error, so it is made one.
    if link.parent not in new:
        operations.append((CONDITION, _is_there(link.parent)))
    return operations


def _is_there(row: RowId) -> dict[str, Any]:
    return _wait(row, "_uuid", ["uuid", row[1]])


def _still(row: RowId, column: str, seen: Any) -> Operation:
    return CONDITION, _wait(row, column, to_wire(COLUMNS[row[0]][column], seen))


def _wait(row: RowId, column: str, value: Any) -> dict[str, Any]:
    return {
        "op": "wait",
        "timeout": 0,
        "table": row[0],
        "where": where_uuid(row[1]),
        "columns": [column],
        "until": "==",
        "rows": [{column: value}],
    }


def _mutate(row: RowId, mutations: list[Any]) -> dict[str, Any]:
    return {"op": "mutate", "table": row[0], "where": where_uuid(row[1]), "mutations": mutations}


def _one(uuid: str) -> list[Any]:
    return ["set", [["uuid", uuid]]]
