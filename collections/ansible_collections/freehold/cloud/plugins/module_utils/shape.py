# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Strict checks of plain JSON data, for hosts that have nothing but Python's own library.

A shape is a function ``(value, where)`` that returns nothing and raises ``ShapeError`` when the
value is not of that shape. ``where`` is the path in the document (``servers[0].flavor``), never the
value: values may be secret. The shapes must say what ``docs/reference/documents/*.schema.json``
say; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Shape = Callable[[Any, str], None]

# \Z and not $: a trailing newline in an id would end up in a file name.
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


class ShapeError(ValueError):
    """A value is not what the document's schema says; the message tells the place and the rule."""


def _refuse(where: str, rule: str) -> None:
    raise ShapeError(f"{where} {rule}")


def text(value: Any, where: str) -> None:
    if not isinstance(value, str):
        _refuse(where, "must be a string")


def uuid(value: Any, where: str) -> None:
    if not isinstance(value, str) or not _UUID.match(value):
        _refuse(where, "must be a UUID in lower case")


def boolean(value: Any, where: str) -> None:
    if not isinstance(value, bool):
        _refuse(where, "must be true or false")


def mapping(value: Any, where: str) -> None:
    """Any JSON object: its content belongs to someone else (a tenant, a metadata format)."""
    if not isinstance(value, dict):
        _refuse(where, "must be an object")


def integer(minimum: int | None = None, maximum: int | None = None) -> Shape:
    def check(value: Any, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            _refuse(where, "must be an integer")
        if minimum is not None and value < minimum:
            _refuse(where, f"must be at least {minimum}")
        if maximum is not None and value > maximum:
            _refuse(where, f"must be at most {maximum}")

    return check


natural = integer(minimum=0)


def one_of(*constants: Any) -> Shape:
    def check(value: Any, where: str) -> None:
        if not any(value == one and type(value) is type(one) for one in constants):
            _refuse(where, "must be " + " or ".join(repr(one) for one in constants))

    return check


def nullable(shape: Shape) -> Shape:
    def check(value: Any, where: str) -> None:
        if value is not None:
            shape(value, where)

    return check


def array(of: Shape) -> Shape:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            _refuse(where, "must be an array")
        for index, item in enumerate(value):
            of(item, f"{where}[{index}]")

    return check


def values(of: Shape) -> Shape:
    """An object with free keys, all values of one shape."""

    def check(value: Any, where: str) -> None:
        mapping(value, where)
        for key, item in value.items():
            of(item, f"{where}.{key}")

    return check


def record(fields: dict[str, Shape]) -> Shape:
    """An object with exactly these fields: none missing, none more."""

    def check(value: Any, where: str) -> None:
        mapping(value, where)
        for name in fields:
            if name not in value:
                _refuse(where, f"lacks {name!r}")
        for name, item in value.items():
            if name not in fields:
                _refuse(where, f"has an unknown field {name!r}")
            fields[name](item, f"{where}.{name}")

    return check


def resource(fields: dict[str, Shape]) -> Shape:
    """A resource of a document: all its fields when present, its id alone when removed."""
    envelope = {"id": uuid, "generation": natural}
    shapes = {
        "present": record({**envelope, "state": one_of("present"), **fields}),
        "removed": record({**envelope, "state": one_of("removed")}),
    }

    def check(value: Any, where: str) -> None:
        mapping(value, where)
        state = value.get("state")
        if not isinstance(state, str) or state not in shapes:
            _refuse(where, "must have the state 'present' or 'removed'")
        shapes[state](value, where)

    return check
