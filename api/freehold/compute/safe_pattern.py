"""Tenants' regular expressions, cut down to what cannot be made to run for long.

Nova lets name filters be regular expressions. A database (or Python's ``re`` under SQLite) given a
hostile one backtracks for hours, so only a flat form passes: literals, ``.``, classes, anchors, and
at most two open-ended repeats. That costs at most the cube of a 255-character name.
"""

from __future__ import annotations

import re

from freehold.errors import BadRequest

_CLASS = r"\[\^?\]?(?:[^\]\\\[]|\\.)*\]"
_ATOM = rf"(?:{_CLASS}|\\[dwsDWS]|\\[^a-zA-Z0-9]|[^\\\[\](){{}}*+?|^$])"
_ITEM = re.compile(rf"({_ATOM})([*+?]|\{{\d{{1,2}}\}})?")
_OPEN_REPEATS = 2


def safe_pattern(name: str, text: str) -> str:
    """Give ``text`` back when it is such a pattern.

    Args:
        name: Of the query parameter, for the message.

    Raises:
        BadRequest: It is not.
    """
    inner = text.removeprefix("^")
    inner = inner.removesuffix("$") if not inner.endswith("\\$") else inner
    position, repeats = 0, 0
    while position < len(inner):
        item = _ITEM.match(inner, position)
        if item is None:
            raise _refusal(name, text)
        repeats += item[2] in ("*", "+")
        position = item.end()
    try:
        re.compile(text)
    except re.error as error:
        raise _refusal(name, text) from error
    if repeats > _OPEN_REPEATS or len(text) > 255:
        raise _refusal(name, text)
    return text


def _refusal(name: str, text: str) -> BadRequest:
    return BadRequest(
        f"Invalid input for query parameters {name}: {text[:80]!r}. A pattern may have literal "
        "text, ., [classes], ^ and $, and at most two of * and +; no groups."
    )
