"""Identity API v3: who exists, who may what where, tokens, and the catalogue."""

from freehold.access import Rule
from freehold.http import Routes
from freehold.identity.version import VERSION_ROUTES

ROUTES: list[Routes] = [VERSION_ROUTES]
RULES: list[Rule] = []
