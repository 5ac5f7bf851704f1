"""Documents and results on the service's side of the contract (docs/reference/documents.md).

Results come from a machine, so they are checked here before anything is written back.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

FORMAT = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EntryError(_Strict):
    """Why one resource failed."""

    code: str
    message: str
    retry: Literal["never", "later", "when_changed"]


class Entry(_Strict):
    """What became of one resource of the document."""

    type: str
    id: str
    generation: int
    outcome: Literal["unchanged", "changed", "pending", "failed"]
    found: dict[str, Any]
    steps: list[str]
    error: EntryError | None


class Unknown(_Strict):
    """Something on the machine that the document did not name."""

    type: str
    id: str


class TargetRef(_Strict):
    """Which target."""

    kind: str
    name: str


class Result(_Strict):
    """The whole answer of one host for one document."""

    format: Literal[1]
    target: TargetRef
    check: bool
    changed: bool
    resources: list[Entry]
    unknown: list[Unknown]
    facts: dict[str, Any]

    def of(self, *types: str) -> dict[str, Entry]:
        """Entries of these types by id."""
        return {entry.id: entry for entry in self.resources if entry.type in types}


def envelope(kind: str, name: str, scope: str, body: dict[str, Any]) -> dict[str, Any]:
    """A document around what a service wants of one target."""
    return {"format": FORMAT, "target": {"kind": kind, "name": name}, "scope": scope, **body}
