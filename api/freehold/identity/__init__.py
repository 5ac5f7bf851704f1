"""Identity API v3: who exists, who may what where, tokens, and the catalogue.

A file a resource type. Other rooms use only what is offered here and know projects by id.
"""

from __future__ import annotations

from freehold.access import Rule
from freehold.http import Routes
from freehold.identity import (
    application_credential,
    auth_listing,
    credential,
    domain,
    ec2_credential,
    endpoint,
    group,
    policy,
    project,
    project_tag_routes,
    region,
    role,
    role_assignment,
    role_grant,
    role_inference,
    service,
    token,
    trust,
    user,
    version,
)
from freehold.identity.bootstrap import bootstrap
from freehold.identity.project import project_exists

_RESOURCES = (
    token,
    auth_listing,
    application_credential,
    credential,
    ec2_credential,
    trust,
    domain,
    project,
    project_tag_routes,
    user,
    group,
    role,
    role_grant,
    role_inference,
    role_assignment,
    region,
    service,
    endpoint,
    policy,
)

ROUTES: list[Routes] = [version.VERSION_ROUTES, *(resource.ROUTES for resource in _RESOURCES)]
RULES: list[Rule] = [rule for resource in _RESOURCES for rule in resource.RULES]

__all__ = ["ROUTES", "RULES", "bootstrap", "project_exists"]
