"""The projects that may use a flavor that is not public."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import select

from freehold.access import Rule
from freehold.compute.flavor import Flavor, FlavorAccess, find_flavor, plain
from freehold.compute.quota import require_project
from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call, Routes

POLICY = "os_compute_api:os-flavor-access"
RULES = [
    Rule(POLICY, "rule:admin_required", "GET /flavors/{flavor_id}/os-flavor-access"),
    Rule(f"{POLICY}:add_tenant_access", "rule:admin_required", "Give a flavor to a project"),
    Rule(f"{POLICY}:remove_tenant_access", "rule:admin_required", "Take it back"),
]


class _Project(BaseModel):
    model_config = ConfigDict(extra="forbid")
    tenant: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(plain)]


class FlavorAction(BaseModel):
    """Body of ``POST /flavors/{flavor_id}/action``: exactly one action."""

    model_config = ConfigDict(extra="forbid")

    add: _Project | None = Field(default=None, alias="addTenantAccess")
    remove: _Project | None = Field(default=None, alias="removeTenantAccess")


def wire(call: Call, flavor: Flavor) -> dict[str, Any]:
    """A flavor's access list."""
    projects = call.session.scalars(
        select(FlavorAccess.project_id)
        .where(FlavorAccess.flavor_id == flavor.id)
        .order_by(FlavorAccess.project_id)
    )
    return {
        "flavor_access": [{"flavor_id": flavor.id, "tenant_id": project} for project in projects]
    }


def list_access(call: Call, flavor_id: str) -> dict[str, Any]:
    """Which projects may use a flavor that is not public."""
    flavor = find_flavor(call.session, call.caller, flavor_id)
    if flavor.is_public:
        raise NotFound("Access list not available for public flavors.")
    return wire(call, flavor)


def act(call: Call, flavor_id: str, body: FlavorAction) -> dict[str, Any]:
    """Give a project a flavor that is not public, or take it back."""
    if (body.add is None) == (body.remove is None):
        raise BadRequest("Name one action: addTenantAccess or removeTenantAccess.")
    if body.add is not None:
        call.enforce(f"{POLICY}:add_tenant_access")
        flavor = find_flavor(call.session, call.caller, flavor_id)
        _give(call, flavor, body.add.tenant)
    elif body.remove is not None:
        call.enforce(f"{POLICY}:remove_tenant_access")
        flavor = find_flavor(call.session, call.caller, flavor_id)
        _take_back(call, flavor, body.remove.tenant)
    call.session.flush()
    call.audit("update", "flavor", flavor_id)
    return wire(call, flavor)


def _give(call: Call, flavor: Flavor, project_id: str) -> None:
    if flavor.is_public and call.at_least("2.7"):
        raise Conflict("Can not add access to a public flavor.")
    if call.session.get(FlavorAccess, (flavor.id, project_id)) is not None:
        raise Conflict(
            f"Flavor access already exists for flavor {flavor.id} and project {project_id} "
            "combination."
        )
    require_project(call, project_id)
    call.session.add(FlavorAccess(flavor_id=flavor.id, project_id=project_id))


def _take_back(call: Call, flavor: Flavor, project_id: str) -> None:
    access = call.session.get(FlavorAccess, (flavor.id, project_id))
    if access is None:
        raise NotFound(f"Flavor access not found for {flavor.id} / {project_id} combination.")
    call.session.delete(access)


def routes(table: Routes) -> None:
    """Add the routes of access lists."""
    table.add("GET", "/flavors/{flavor_id}/os-flavor-access", list_access, policy=POLICY)
    table.add("POST", "/flavors/{flavor_id}/action", act, policy="os_compute_api:flavors")
