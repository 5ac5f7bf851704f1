"""Compute API v2.1: servers and what they are made from.

Each file of this room holds one resource type and adds its routes to the room's one table.
"""

from collections.abc import Callable, Sequence

from freehold.access import Rule
from freehold.compute.version import TABLE, VERSION_ROUTES
from freehold.http import Routes

_FILES: Sequence[tuple[Callable[[Routes], None], Sequence[Rule]]] = ()
for _add, _ in _FILES:
    _add(TABLE)

ROUTES: list[Routes] = [TABLE, VERSION_ROUTES]
RULES: list[Rule] = [rule for _, rules in _FILES for rule in rules]

__all__ = ["ROUTES", "RULES"]
