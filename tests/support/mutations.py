"""Documents with one thing wrong, for tests that two judges of documents agree."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any

from hypothesis import strategies as st

Path = tuple[Any, ...]


def places(value: Any, opaque: Collection[str] = (), path: Path = ()) -> list[Path]:
    """Paths to everything in a JSON value, but not into what lies under the keys ``opaque``."""
    found = [path]
    if path and path[-1] in opaque:
        return found
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        found += places(item, opaque, (*path, key))
    return found


def at(document: Any, path: Path) -> Any:
    """What is at a place."""
    for key in path:
        document = document[key]
    return document


@st.composite
def mutated(
    draw: st.DrawFn, full: dict[str, Any], values: Sequence[Any], opaque: Collection[str] = ()
) -> dict[str, Any]:
    """The document with one value replaced, removed or added, somewhere."""
    document = copy.deepcopy(full)
    path = draw(st.sampled_from([place for place in places(full, opaque) if place]))
    parent = at(document, path[:-1])
    change = draw(st.sampled_from(["replace", "remove", "add"]))
    if change == "replace":
        parent[path[-1]] = draw(st.sampled_from(values))
    elif change == "remove":
        del parent[path[-1]]
    elif isinstance(parent, dict):
        parent["extra"] = draw(st.sampled_from(values))
    else:
        parent.append(draw(st.sampled_from(values)))
    return document
