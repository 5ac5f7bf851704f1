"""Lists: filters, sort keys, key-set paging. One query a list, never an offset.

A service declares which columns can be filtered and sorted (``Listing``), reads the request in its
API's own style, and gets one page. The marker is the id of the last row of the page before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from freehold.errors import BadRequest

Row = TypeVar("Row")


@dataclass(frozen=True)
class SortKey:
    """One column name of a Listing and a direction."""

    name: str
    descending: bool = False


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows in order; ``more`` tells whether a next page exists."""

    rows: list[Row]
    more: bool


@dataclass(frozen=True)
class Listing:
    """What may be asked of a list.

    Args:
        id: The column that breaks ties and that markers name.
        columns: Wire name → column, for filters and sorting.
        parsers: Wire name → how a filter's text becomes a value (default: as it is). A parser
            raises BadRequest.
        default_sort: Used when the request names none.
        maximum: Rows a page at most; a larger or missing ``limit`` gets this many.
    """

    id: InstrumentedAttribute[Any]
    columns: Mapping[str, InstrumentedAttribute[Any]]
    parsers: Mapping[str, Callable[[str], Any]] = field(default_factory=dict)
    default_sort: Sequence[SortKey] = ()
    maximum: int = 1000

    def filtered(self, statement: Select[Any], wanted: Mapping[str, Sequence[str]]) -> Select[Any]:
        """Keep rows where each named column has one of the given values; unknown names are
        ignored.
        """
        for name, texts in wanted.items():
            if (column := self.columns.get(name)) is None or not texts:
                continue
            parse = self.parsers.get(name, str)
            values = [parse(text) for text in texts]
            statement = statement.where(
                column.in_(values) if len(values) > 1 else column == values[0]
            )
        return statement

    def sort_keys(self, keys: Sequence[str], directions: Sequence[str]) -> list[SortKey]:
        """Read repeated ``sort_key`` and ``sort_dir`` (a missing direction is ascending).

        Raises:
            BadRequest: A key that is not a column, a direction that is neither asc nor desc.
        """
        if not keys:
            return list(self.default_sort)
        chosen = []
        for position, key in enumerate(keys):
            direction = (directions[position] if position < len(directions) else "asc").lower()
            if key not in self.columns:
                raise BadRequest(f"cannot sort by {key!r}")
            if direction not in ("asc", "desc"):
                raise BadRequest(f"sort direction {direction!r} is neither asc nor desc")
            chosen.append(SortKey(key, direction == "desc"))
        return chosen

    def limit(self, text: str | None) -> int | None:
        """Read ``limit``; None when the request has none.

        Raises:
            BadRequest: Not a whole number from 0.
        """
        if text is None or text == "":
            return None
        if not text.isascii() or not text.isdigit():
            raise BadRequest(f"limit {text!r} is not a whole number from 0")
        return int(text[:12])

    def page(
        self,
        session: Session,
        statement: Select[Any],
        *,
        sort: Sequence[SortKey] = (),
        limit: int | None = None,
        marker: str | None = None,
        reverse: bool = False,
    ) -> Page[Any]:
        """Run the list's one query (two with a marker).

        Args:
            statement: A select of the entity, already limited to what the caller may see.
            sort: From ``sort_keys``; the id is always added last.
            limit: Rows wanted; None and too large give ``maximum``; 0 gives ``maximum`` (as nova
                and neutron do).
            marker: Id of the last row seen.
            reverse: Go backwards from the marker, rows still in forward order (``page_reverse``).

        Raises:
            BadRequest: The marker names no row that the caller may see.
        """
        keys = [(self.columns[key.name], key.descending) for key in sort or self.default_sort]
        if all(column is not self.id for column, _ in keys):
            keys.append((self.id, False))
        order = [(column, descending != reverse) for column, descending in keys]
        size = min(limit or self.maximum, self.maximum)
        if marker is not None:
            last = session.execute(
                statement.with_only_columns(*(column for column, _ in order)).where(
                    self.id == marker
                )
            ).first()
            if last is None:
                raise BadRequest(f"marker {marker!r} could not be found")
            statement = statement.where(_after(order, list(last)))
        statement = statement.order_by(
            *(c.desc().nulls_last() if down else c.asc().nulls_first() for c, down in order)
        )
        rows = list(session.execute(statement.limit(size + 1)).scalars().all())
        page = rows[:size]
        return Page(list(reversed(page)) if reverse else page, len(rows) > size)


def _after(
    order: Sequence[tuple[InstrumentedAttribute[Any], bool]], last: Sequence[Any]
) -> ColumnElement[bool]:
    """Rows behind ``last``: (a > x) or (a = x and b > y) or …, with nulls before all values."""
    branches = []
    for position, (column, descending) in enumerate(order):
        same = [
            column.is_(None) if value is None else column == value
            for (column, _), value in zip(order[:position], last, strict=False)
        ]
        value = last[position]
        behind: ColumnElement[bool]
        if value is None:
            if descending:
                continue
            behind = column.is_not(None)
        elif descending:
            behind = or_(column < value, column.is_(None))
        else:
            behind = column > value
        branches.append(and_(*same, behind))
    return or_(*branches)
