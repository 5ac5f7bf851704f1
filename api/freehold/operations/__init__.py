"""Freehold's own API ``/v1``: jobs, targets, health. OpenStack has no word for these."""

from freehold.operations.health import routes as health_routes
from freehold.operations.job import RULES as JOB_RULES
from freehold.operations.job import routes as job_routes
from freehold.operations.target import RULES as TARGET_RULES
from freehold.operations.target import routes as target_routes
from freehold.operations.version import TABLE

for _add in (job_routes, target_routes, health_routes):
    _add(TABLE)

ROUTES = [TABLE]
RULES = [*JOB_RULES, *TARGET_RULES]

__all__ = ["ROUTES", "RULES"]
