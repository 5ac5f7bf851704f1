"""What every Networking resource has: id, project, name, description, times, revision, tags.

The API reference calls these the standard attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from freehold.access import Caller
from freehold.errors import BadRequest, NotFound
from freehold.http import Call
from freehold.jobs import Converged, want
from freehold.network.request import Owned
from freehold.store import new_id

TARGET = ("network", "ovn")
_WANTED = "freehold_network_wanted"
CONVERGE_S = 120
"""How long a logical change may take before its row shows a fault."""


class Standard:
    """Mixin of the standard attributes."""

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    revision_number: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    def standard_wire(self) -> dict[str, Any]:
        """The standard attributes in their wire form."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "revision_number": self.revision_number,
            "created_at": _time(self.created_at),
            "updated_at": _time(self.updated_at),
            "tags": [],
        }

    def touch(self, now: datetime) -> None:
        """Count a change that a client can see."""
        self.revision_number += 1
        self.updated_at = now

    def apply(self, values: Mapping[str, Any]) -> set[str]:
        """Set columns; returns the names of those that really changed."""
        changed = {name for name, value in values.items() if getattr(self, name) != value}
        for name in changed:
            setattr(self, name, values[name])
        return changed


def _time(moment: datetime) -> str:
    return f"{moment.replace(tzinfo=None).isoformat('T', 'seconds')}Z"


def fresh(now: datetime) -> dict[str, Any]:
    """Columns of a new row, in its first generation; ``want_network`` lets the machine make it."""
    return {
        "id": new_id(),
        "created_at": now,
        "updated_at": now,
        "revision_number": 1,
        "generation": 1,
        "satisfied": 0,
        "removed": False,
        "found": {},
        "fault": None,
        "deadline": now + timedelta(seconds=CONVERGE_S),
    }


def owner(call: Call, wish: Owned, rule: str) -> str:
    """The project that a new thing belongs to; another than one's own only by policy."""
    project_id = wish.project_id or call.caller.project_id
    if project_id is None:
        raise BadRequest("The token has no project; name one with project_id.")
    call.enforce(rule, {"project_id": project_id})
    return project_id


Row = TypeVar("Row", bound=Any)


def own_or(caller: Caller, column: InstrumentedAttribute[str], *also: Any) -> ColumnElement[bool]:
    """SQL condition: the caller's rows and what else they may see; admins see all."""
    if caller.is_admin:
        return column.is_not(None)
    return or_(column == caller.project_id, *also)


def find(
    session: Session, kind: type[Row], row_id: str, visible: ColumnElement[bool] | None = None
) -> Row:
    """One row that is not being removed.

    Raises:
        NotFound: None with this id that the caller may see.
    """
    statement = select(kind).where(kind.id == row_id)
    if hasattr(kind, "removed"):
        statement = statement.where(kind.removed.is_(False))
    if visible is not None:
        statement = statement.where(visible)
    # A NUL character is refused by PostgreSQL and is in no id.
    row: Row | None = None if "\0" in row_id else session.scalars(statement).first()
    if row is None:
        said = kind.__name__
        raise NotFound(f"{said} {row_id} could not be found.", kind=f"{said}NotFound")
    return row


def want_network(session: Session, now: datetime) -> None:
    """Mark the logical network due, once a transaction."""
    if not session.info.get(_WANTED):
        session.info[_WANTED] = True
        want(session, *TARGET, now)


def converge(session: Session, row: Converged, now: datetime) -> None:
    """Let the logical network follow a row that was changed."""
    row.ask(now, CONVERGE_S)
    want_network(session, now)


def remove(session: Session, row: Converged, now: datetime) -> None:
    """Wish that the row be gone; it goes when the machine says so, its tenant sees it no more."""
    row.removed = True
    converge(session, row, now)
