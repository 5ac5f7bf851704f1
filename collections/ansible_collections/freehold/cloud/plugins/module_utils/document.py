# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documents and results: what is wanted of a target, and what is said about it afterwards.

Every converge module reads its document here; none may know what another kind of document holds.
The contract is ``docs/reference/documents.md`` with its schemas.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.shape import (
    Shape,
    ShapeError,
    array,
    one_of,
    record,
    text,
)

FORMAT = 1


class CloudError(Exception):
    """What failed, on what, and what to do next; with a stable code and when to try again.

    ``retry`` is ``later`` (the world may mend itself), ``when_changed`` (only a new generation of
    the resource can help) or ``never``.
    """

    def __init__(self, code: str, message: str, retry: str = "later") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry = retry

    def entry(self) -> dict[str, str]:
        """The error as a result carries it."""
        return {"code": self.code, "message": self.message, "retry": self.retry}


@dataclass(frozen=True)
class Resource:
    """One thing that a document names. ``wanted`` is its whole entry in the document."""

    type: str
    id: str
    generation: int
    removed: bool
    # Not in the repr: entries hold tokens and user data, and reprs end in tracebacks.
    wanted: Mapping[str, Any] = dataclasses.field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        return (self.type, self.id)


@dataclass(frozen=True)
class Step:
    """One thing to do to a resource; its sentence is log, plan and report alike.

    ``field``, ``before`` and ``after`` are for the diff. ``action`` is the target's own word for
    what to call, ``arguments`` what it needs to do so; neither is reported, so they may be secret.
    """

    sentence: str
    field: str = ""
    before: Any = None
    after: Any = None
    action: str = ""
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Document:
    """What is wanted of one target."""

    kind: str
    name: str
    scope: str
    resources: tuple[Resource, ...]

    @property
    def wants_everything(self) -> bool:
        """Whether the document names all that belongs there, so that the rest is unknown."""
        return self.scope == "all"

    def of(self, type_: str) -> Iterator[Resource]:
        return (resource for resource in self.resources if resource.type == type_)


@dataclass(frozen=True)
class Section:
    """A list in a document: its name there, the type of its entries, and their shape."""

    name: str
    type: str
    shape: Shape


def read_document(content: str, kind: str, sections: tuple[Section, ...]) -> Document:
    """Parse and check a document; resources come in the order of ``sections``.

    Raises:
        CloudError: DOCUMENT_INVALID, naming the place but never the value there.
    """
    try:
        data = json.loads(content)
    except ValueError as error:
        raise CloudError("DOCUMENT_INVALID", f"The document is no JSON: {error}", "never") from None
    target = record({"kind": one_of(kind), "name": text})
    envelope = record(
        {
            "format": one_of(FORMAT),
            "target": target,
            "scope": one_of("changes", "all"),
            **{section.name: array(section.shape) for section in sections},
        }
    )
    try:
        envelope(data, "document")
    except ShapeError as error:
        raise CloudError(
            "DOCUMENT_INVALID", f"The {kind} document is refused: {error}", "never"
        ) from None
    resources = tuple(
        _resource(section, entry) for section in sections for entry in data[section.name]
    )
    _refuse_doubles(resources)
    return Document(kind, data["target"]["name"], data["scope"], resources)


def _resource(section: Section, entry: dict[str, Any]) -> Resource:
    return Resource(
        section.type, entry["id"], entry["generation"], entry["state"] == "removed", entry
    )


def _refuse_doubles(resources: tuple[Resource, ...]) -> None:
    seen: set[tuple[str, str]] = set()
    for resource in resources:
        if resource.key in seen:
            raise CloudError(
                "DOCUMENT_INVALID",
                f"The document names {resource.type} {resource.id} twice",
                "never",
            )
        seen.add(resource.key)


@dataclass(frozen=True)
class Verdict:
    """What a target says of a resource after looking at it.

    ``waiting_for`` is empty, or tells what the world still owes (the outcome is then ``pending``).
    ``error`` is for what can be told by looking alone, so that check mode tells it too.
    """

    found: Mapping[str, Any]
    waiting_for: str = ""
    error: CloudError | None = None


def result_entry(
    resource: Resource,
    verdict: Verdict,
    steps: list[str],
    error: CloudError | None,
) -> dict[str, Any]:
    """One line of the result: an error outranks waiting, waiting outranks change."""
    found = dict(verdict.found)
    error = error or verdict.error
    if error is not None:
        outcome = "failed"
    elif verdict.waiting_for:
        outcome = "pending"
        found["waiting_for"] = verdict.waiting_for
    else:
        outcome = "changed" if steps else "unchanged"
    return {
        "type": resource.type,
        "id": resource.id,
        "generation": resource.generation,
        "outcome": outcome,
        "found": found,
        "steps": steps,
        "error": error.entry() if error else None,
    }
