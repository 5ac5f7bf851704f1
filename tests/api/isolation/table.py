"""The written table, and how one of its lines becomes a request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.api.isolation.stage import PERSONAS, Stage

TABLE = Path(__file__).resolve().parents[3] / "docs/reference/permissions.md"
REQUESTS: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("requests.yml").read_text()
)
LINE = re.compile(r"((?:\d{3} +){8})([A-Z,]+) +(/\S*)(?:  # (.+))?")
ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32}")
UNKNOWN = {32: "0" * 31 + "7", 36: "00000000-0000-4000-8000-000000000007"}


@dataclass(frozen=True)
class Line:
    """One route (or one action of a route that has several) and its status for each persona."""

    method: str
    path: str
    expected: tuple[int, ...]
    note: str | None

    @property
    def route(self) -> tuple[str, str]:
        """As the application knows it."""
        return self.method, self.path.partition("#")[0]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Question:
    """A request with everything filled in."""

    method: str
    path: str
    options: dict[str, Any]

    def about_nothing(self) -> Question:
        """The same with every id replaced by one that nothing has."""
        return Question(self.method, without_ids(self.path), _each(self.options, without_ids))


def read_table() -> list[Line]:
    """All lines of docs/reference/permissions.md; ``GET,HEAD`` is two."""
    lines = []
    for text in TABLE.read_text().splitlines():
        if not text[:3].isdigit():
            continue
        said = LINE.fullmatch(text)
        assert said is not None, f"{TABLE.name}: not a line of the table: {text}"
        statuses = tuple(int(status) for status in said[1].split())
        assert len(statuses) == len(PERSONAS)
        lines += [Line(method, said[3], statuses, said[4]) for method in said[2].split(",")]
    return lines


def question(stage: Stage, line: Line) -> Question:
    """What the line is asked with: real ids in the path, and what requests.yml says."""
    told = REQUESTS.get(str(line), {})
    others = told.get("with", {})

    def fill(match: re.Match[str]) -> str:
        return f"{match[1]}/{stage.things[others.get(match[1], match[1])]}"

    path = line.route[1]
    while "{" in path:
        path = re.sub(r"([^/{}]+)/\{[^}]+\}", fill, path, count=1)
    options = {name: value for name, value in told.items() if name != "with"}
    return Question(line.method, path, filled(options, stage.things))


def filled(value: Any, things: dict[str, str]) -> Any:
    """``{name}`` replaced by the stage's thing, anywhere."""
    return _each(value, lambda text: text.format(**things) if "{" in text else text)


def without_ids(text: str) -> str:
    """Every id replaced by the unknown one of its form."""
    return ID.sub(lambda found: UNKNOWN[len(found[0])], text)


def _each(value: Any, change: Any) -> Any:
    """A copy of JSON-able data with each text changed; names stay."""
    if isinstance(value, dict):
        return {name: _each(part, change) for name, part in value.items()}
    if isinstance(value, list):
        return [_each(part, change) for part in value]
    return change(value) if isinstance(value, str) else value
