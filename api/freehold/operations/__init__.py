"""To come."""

from freehold.access import Rule
from freehold.http import Routes

ROUTES: list[Routes] = []
RULES: list[Rule] = []
