"""What every row that a machine must follow has in common: wanted, found, and what went wrong.

``generation`` grows with every change that a machine must see; ``satisfied`` is the generation
that a
machine last answered for. A row is *settled* when they are equal. Status for tenants is computed
from these, never stored.

Nobody builds a wish on an older one: a write of a row whose generation has grown since it was read
(two deletes at once, a change beside a delete) is a lost race, which ``Store.transact`` runs again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from freehold.jobs.document import Entry


class Fault(BaseModel):
    """Why a row is not what it should be. Stored as JSON, shown to tenants."""

    code: str
    message: str
    at: datetime
    retry: str = "later"


class Converged:
    """Mixin of columns.

    Attributes:
        generation: What is wanted, counted up by ``ask``.
        satisfied: The generation a machine has answered for.
        removed: The wish is that it be gone; the row goes when a machine says that it is.
        found: What a machine last saw, as the result's ``found``.
        fault: A Fault as JSON, or None.
        deadline: When an unsettled row is given up and gets a fault; None while settled.
    """

    generation: Mapped[int] = mapped_column(default=1)
    satisfied: Mapped[int] = mapped_column(default=0)
    removed: Mapped[bool] = mapped_column(default=False)
    found: Mapped[dict[str, Any]] = mapped_column(default=dict)
    fault: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    deadline: Mapped[datetime | None] = mapped_column(default=None, index=True)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        # SQLAlchemy then adds the generation that was read to the WHERE of updates and deletes.
        return {"version_id_col": cls.generation, "version_id_generator": False}

    @property
    def settled(self) -> bool:
        """Whether a machine has answered for what is wanted now."""
        return self.satisfied >= self.generation

    def ask(self, now: datetime, within_s: int) -> None:
        """Count a change that a machine must see; forget an old fault."""
        self.generation += 1
        self.fault = None
        self.deadline = now + timedelta(seconds=within_s)

    @classmethod
    def unsettled(cls) -> ColumnElement[bool]:
        """SQL condition: rows that a ``changes`` document must carry."""
        return cls.satisfied < cls.generation

    @classmethod
    def overdue(cls, now: datetime) -> ColumnElement[bool]:
        """SQL condition: unsettled rows past their deadline."""
        return (cls.satisfied < cls.generation) & (cls.deadline < now)


def settle(row: Converged, entry: Entry, now: datetime) -> bool:
    """Write one result entry into its row; returns whether the row is settled now.

    An entry about an older generation only tells what was found; it settles nothing. ``pending``
    settles
    nothing. ``failed`` settles the row with a fault unless trying again later can help and there
    is time
    left; removal never gives up (delete is accepted in every state and has to come true).
    """
    row.found = entry.found
    if entry.generation != row.generation:
        return row.settled
    match entry.outcome:
        case "unchanged" | "changed":
            row.satisfied = entry.generation
            row.fault = None
            row.deadline = None
        case "failed":
            assert entry.error is not None
            problem = Fault(
                code=entry.error.code,
                message=entry.error.message,
                at=now,
                retry=entry.error.retry,
            )
            row.fault = problem.model_dump(mode="json")
            out_of_time = row.deadline is not None and row.deadline <= now
            if not row.removed and (entry.error.retry != "later" or out_of_time):
                row.satisfied = entry.generation
                row.deadline = None
        case "pending":
            pass
    return row.settled
