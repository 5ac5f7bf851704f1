"""Every text that a request can carry, found in our OpenAPI document: a new field is among them
without being named here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NAME = object()
"""Stands in a place for the name of a member, where names are the tenant's."""
ANY = object()
"""Stands in a place for an item of a list."""
Place = tuple[Any, ...]
JSON_TYPES = ("application/json", "application/openstack-images-v2.1-json-patch")
DEEPEST = 8


@dataclass(frozen=True)
class TextField:
    """One place for text in a body."""

    place: Place

    def __str__(self) -> str:
        words = {NAME: "<name>", ANY: "[]"}
        return ".".join(words.get(part, part) for part in self.place)

    def filled(self, body: Any, text: str) -> Any:
        """A copy of a body that is right, with ``text`` in this place."""
        return _put(copy.deepcopy(body), self.place, text)


def text_fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> list[TextField]:
    """All of a body's schema, once each."""
    return list(dict.fromkeys(TextField(place) for place in _places(document, schema, ())))


def in_body(body: Any) -> list[TextField]:
    """The texts that a certain body has: for members that the schema does not name."""
    return [TextField(place) for place in _texts(body, ())]


def body_schema(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of an operation's JSON body; empty if it has none."""
    content = operation.get("requestBody", {}).get("content", {})
    for media_type in JSON_TYPES:
        if media_type in content:
            found: Mapping[str, Any] = content[media_type]["schema"]
            return found
    return {}


def _places(document: Mapping[str, Any], schema: Any, at: Place) -> Iterator[Place]:
    if not isinstance(schema, Mapping) or len(at) > DEEPEST:
        return
    if reference := schema.get("$ref"):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        yield from _places(document, found, at)
    for kind in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(kind, ()):
            yield from _places(document, one, at)
    kinds = schema.get("type", ())
    if "string" in ([kinds] if isinstance(kinds, str) else kinds) and "enum" not in schema:
        yield at
    for name, member in schema.get("properties", {}).items():
        yield from _places(document, member, (*at, name))
    if "items" in schema:
        yield from _places(document, schema["items"], (*at, ANY))
    if isinstance(others := schema.get("additionalProperties"), Mapping):
        yield (*at, NAME)
        yield from _places(document, others, (*at, "of-mine"))


def _texts(value: Any, at: Place) -> Iterator[Place]:
    if isinstance(value, str):
        yield at
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _texts(member, (*at, name))
    elif isinstance(value, list) and value:
        yield from _texts(value[0], (*at, ANY))


def _put(value: Any, place: Place, text: str) -> Any:
    if not place:
        return text
    first, *rest = place
    if first is ANY:
        items = value if isinstance(value, list) else []
        return [_put(items[0] if items else None, tuple(rest), text), *items[1:]]
    members = dict(value) if isinstance(value, Mapping) else {}
    if first is NAME:
        return members | {text: "of mine"}
    return members | {first: _put(members.get(first), tuple(rest), text)}
