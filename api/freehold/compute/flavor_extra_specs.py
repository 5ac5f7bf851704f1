"""Extra specs of a flavor, and the projects that may use one that is not public."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from freehold.compute.flavor import Flavor, FlavorAccess, find_flavor
from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call, Routes

KEY = re.compile(r"^[a-zA-Z0-9-_:. ]{1,255}$")


class _Specs(BaseModel):
    model_config = ConfigDict(extra="forbid")
    extra_specs: dict[str, str | int | float]


def _flavor(call: Call, flavor_id: str) -> Flavor:
    return find_flavor(call.session, call.caller, flavor_id)


def _checked(specs: dict[str, str | int | float]) -> dict[str, str]:
    for key, value in specs.items():
        if not KEY.match(key) or len(str(value)) > 255:
            raise BadRequest(f"Invalid extra spec {key[:64]!r}: at most 255 characters each.")
    return {key: str(value) for key, value in specs.items()}


def list_specs(call: Call, flavor_id: str) -> dict[str, Any]:
    """All extra specs of a flavor."""
    return {"extra_specs": _flavor(call, flavor_id).extra_specs}


def create_specs(call: Call, flavor_id: str, body: _Specs) -> dict[str, Any]:
    """Add or change extra specs."""
    flavor = _flavor(call, flavor_id)
    said = _checked(body.extra_specs)
    flavor.extra_specs = {**flavor.extra_specs, **said}
    call.audit("update", "flavor", flavor_id)
    return {"extra_specs": said}


def show_spec(call: Call, flavor_id: str, key: str) -> dict[str, Any]:
    """One extra spec."""
    specs = _flavor(call, flavor_id).extra_specs
    if key not in specs:
        raise NotFound(f"Flavor {flavor_id} has no extra specs with key {key}.")
    return {key: specs[key]}


def update_spec(
    call: Call, flavor_id: str, key: str, body: dict[str, str | int | float]
) -> dict[str, Any]:
    """Change one extra spec."""
    if list(body) != [key]:
        raise BadRequest("Request body and URI mismatch")
    return create_specs(call, flavor_id, _Specs(extra_specs=body))["extra_specs"]  # type: ignore[no-any-return]


def delete_spec(call: Call, flavor_id: str, key: str) -> None:
    """Remove one extra spec."""
    flavor = _flavor(call, flavor_id)
    if key not in flavor.extra_specs:
        raise NotFound(f"Flavor {flavor_id} has no extra specs with key {key}.")
    flavor.extra_specs = {k: v for k, v in flavor.extra_specs.items() if k != key}
    call.audit("update", "flavor", flavor_id)


def _access(call: Call, flavor_id: str) -> dict[str, Any]:
    projects = call.session.scalars(
        select(FlavorAccess.project_id).where(FlavorAccess.flavor_id == flavor_id)
    )
    return {
        "flavor_access": [{"flavor_id": flavor_id, "tenant_id": project} for project in projects]
    }


def list_access(call: Call, flavor_id: str) -> dict[str, Any]:
    """Which projects may use a flavor that is not public."""
    if _flavor(call, flavor_id).is_public:
        raise NotFound("Access list not available for public flavors.")
    return _access(call, flavor_id)


class _Project(BaseModel):
    model_config = ConfigDict(extra="forbid")
    tenant: str


class _Action(BaseModel):
    model_config = ConfigDict(extra="forbid")
    addTenantAccess: _Project | None = None  # noqa: N815 (the API's own name)
    removeTenantAccess: _Project | None = None  # noqa: N815


def act(call: Call, flavor_id: str, body: _Action) -> dict[str, Any]:
    """Give a project a flavor that is not public, or take it back."""
    flavor = _flavor(call, flavor_id)
    if (body.addTenantAccess is None) == (body.removeTenantAccess is None):
        raise BadRequest("One action must be named: addTenantAccess or removeTenantAccess.")
    wish = body.addTenantAccess or body.removeTenantAccess
    assert wish is not None
    key = (flavor_id, wish.tenant)
    row = call.session.get(FlavorAccess, key)
    if body.addTenantAccess is not None:
        if flavor.is_public and not call.at_least("2.7"):
            pass
        elif flavor.is_public:
            raise Conflict("Can not add access to a public flavor.")
        if row is not None:
            raise Conflict(
                f"Flavor access already exists for flavor {flavor_id} and project {wish.tenant}"
            )
        call.session.add(FlavorAccess(flavor_id=flavor_id, project_id=wish.tenant))
    else:
        if row is None:
            raise NotFound(f"Flavor access not found for {flavor_id} / {wish.tenant} combination.")
        call.session.delete(row)
    call.session.flush()
    call.audit("update", "flavor", flavor_id)
    return _access(call, flavor_id)


def routes(table: Routes) -> None:
    """Add the routes of extra specs and access lists."""
    specs, access = "/flavors/{flavor_id}/os-extra_specs", "os_compute_api:os-flavor-access"
    see = "os_compute_api:os-flavor-extra-specs:index"
    change = "os_compute_api:os-flavor-extra-specs:change"
    table.add("GET", specs, list_specs, policy=see)
    table.add("POST", specs, create_specs, policy=change)
    table.add("GET", specs + "/{key}", show_spec, policy=see)
    table.add("PUT", specs + "/{key}", update_spec, policy=change)
    table.add("DELETE", specs + "/{key}", delete_spec, policy=change)
    table.add("GET", "/flavors/{flavor_id}/os-flavor-access", list_access, policy=access)
    table.add("POST", "/flavors/{flavor_id}/action", act, policy=access)
