"""Request bodies: read whole and bounded, parsed as JSON, checked against an operation's model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from freehold.errors import BadRequest

JSON_TYPES = frozenset({"", "application/json", "text/json"})


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    return value


Whole = Annotated[int, BeforeValidator(_no_truth_value)]
Number = Annotated[float, BeforeValidator(_no_truth_value)]
"""Numbers in a body: JSON's ``true`` is none, though Python's is 1."""


def checked(adapter: TypeAdapter[Any], content: bytes, media_type: str) -> Any:
    """The value that a JSON body stands for.

    Raises:
        BadRequest: It is no JSON, has text that no database can hold, or is not of the form.
    """
    return fitting(adapter, _parsed(content, media_type))


def fitting(adapter: TypeAdapter[Any], value: Any) -> Any:
    """What a parsed value (a whole body, or the argument of an action in one) stands for.

    Raises:
        BadRequest: It is not of the form.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        told = explain(error.errors(include_url=False, include_context=False, include_input=False))
        raise BadRequest(told) from error


def _parsed(content: bytes, media_type: str) -> Any:
    kind = media_type.partition(";")[0].strip().lower()
    if kind not in JSON_TYPES and not kind.endswith("+json"):
        raise BadRequest("The request body has to be JSON (Content-Type: application/json).")
    if not content:
        raise BadRequest("The request has no body; it needs a JSON one.")
    return json_value(content)


def json_value(content: bytes) -> Any:
    """What a JSON text says; BadRequest if it is none, or holds text that nothing can keep."""
    try:
        value = json.loads(content.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The request body is not valid JSON.") from error
    if b"\\u" in content:  # the only way to write what UTF-8 text cannot hold
        for text in _texts(value):
            require_storable(text, "The request body")
    return value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def require_storable(text: str, where: str) -> None:
    """Refuse (BadRequest) NUL and lone surrogates, which PostgreSQL and UTF-8 cannot hold."""
    if "\0" in text:
        raise BadRequest(f"{where} has a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"{where} has half of a surrogate pair, which is no character.") from error


def explain(problems: Sequence[Any]) -> str:
    """One sentence of what is wrong with a body, without repeating what was sent (it may be
    secret).
    """
    told = []
    for problem in list(problems)[:3]:
        place = ".".join(str(part) for part in problem.get("loc", ()))
        told.append(f"{place or 'body'}: {problem.get('msg')}")
    return f"Invalid input: {'; '.join(told)}"
