# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of the database, and what would have to be known.

A planner asks ``Facts``; an answer that is not there yet is remembered as a question. Whoever looks
at the database answers the questions and lets the planner think again, until none is left. So the
planner alone says what has to be read, it stays pure, and a document for one port reads what
concerns that port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import (
    COLUMNS,
    SHARED_MEMBERS,
    Link,
    RowId,
    from_wire,
    to_wire,
    where_uuid,
)

EXISTENCE = ("external_ids",)


def own_columns(table: str) -> tuple[str, ...]:
    """The columns whose size follows the resource and not the cloud."""
    return tuple(name for name in COLUMNS[table] if (table, name) not in SHARED_MEMBERS)


@dataclass(frozen=True)
class Cells:
    """Which values has this row in these columns? (None: there is no such row.)"""

    table: str
    uuid: str
    columns: tuple[str, ...]

    def operation(self) -> dict[str, Any]:
        return _select(self.table, where_uuid(self.uuid), self.columns)

    def answer(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        kinds = COLUMNS[self.table]
        return (
            {name: from_wire(kinds[name], rows[0][name]) for name in self.columns} if rows else None
        )


@dataclass(frozen=True)
class Linked:
    """Does this row refer to that one? Answered by the server without sending the others."""

    link: Link

    def operation(self) -> dict[str, Any]:
        member = [self.link.column, "includes", ["uuid", self.link.member]]
        return _select(self.link.table, [*where_uuid(self.link.uuid), member], ("_uuid",))

    def answer(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        return bool(rows)


@dataclass(frozen=True)
class MembersAre:
    """Does this row refer to exactly these? Answered by the server, too."""

    table: str
    uuid: str
    column: str
    members: frozenset[str]

    def operation(self) -> dict[str, Any]:
        exactly = [self.column, "==", to_wire("references", self.members)]
        return _select(self.table, [*where_uuid(self.uuid), exactly], ("_uuid",))

    def answer(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        return bool(rows)


Question = Union[Cells, Linked, MembersAre]


def _select(table: str, where: list[Any], columns: Sequence[str]) -> dict[str, Any]:
    # The condition on _uuid stands first: only then does ovsdb-server use its index.
    return {"op": "select", "table": table, "where": where, "columns": list(columns)}


class Facts:
    """Answers so far; ``questions`` fills with what was asked and is not answered.

    Until then the answer given is "there is no such row", "no".
    """

    def __init__(self, answers: Mapping[Question, Any]) -> None:
        self._answers = answers
        self.questions: set[Question] = set()

    def row(self, row: RowId) -> dict[str, Any] | None:
        """All columns of a row that its resource alone fills."""
        return self._ask(Cells(*row, own_columns(row[0])))

    def column(self, row: RowId, column: str) -> Any:
        """One column, also a shared one."""
        found = self._ask(Cells(*row, (column,)))
        return found[column] if found else None

    def external_ids(self, row: RowId) -> dict[str, str] | None:
        """A row's ``external_ids`` (None: no such row); the cheapest look at another's resource."""
        found = self._ask(Cells(*row, EXISTENCE))
        return found["external_ids"] if found else None

    def linked(self, link: Link) -> bool:
        return bool(self._ask(Linked(link)))

    def members_are(self, row: RowId, column: str, members: frozenset[str]) -> bool:
        return bool(self._ask(MembersAre(*row, column, members)))

    def _ask(self, question: Question) -> Any:
        if question not in self._answers:
            self.questions.add(question)
            return None
        return self._answers[question]
