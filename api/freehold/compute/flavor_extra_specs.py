"""Extra specs of a flavor: what the operator says of it beyond sizes."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, StrictFloat, StrictInt, StrictStr

from freehold.access import Rule
from freehold.compute.flavor import SEE_SPECS, Flavor, find_flavor
from freehold.errors import BadRequest, NotFound
from freehold.http import Call, Routes
from freehold.store import lock_row

POLICY = "os_compute_api:os-flavor-extra-specs"
RULES = [
    Rule(f"{POLICY}:show", "rule:admin_or_reader", "GET …/os-extra_specs/{key}"),
    Rule(f"{POLICY}:create", "rule:admin_required", "POST …/os-extra_specs"),
    Rule(f"{POLICY}:update", "rule:admin_required", "PUT …/os-extra_specs/{key}"),
    Rule(f"{POLICY}:delete", "rule:admin_required", "DELETE …/os-extra_specs/{key}"),
]
KEY = re.compile(r"[a-zA-Z0-9_:. -]{1,255}")
Value = StrictStr | StrictInt | StrictFloat


class ExtraSpecs(BaseModel):
    """Body of POST."""

    model_config = ConfigDict(extra="forbid")

    extra_specs: dict[str, Value]


def _flavor(call: Call, flavor_id: str) -> Flavor:
    return find_flavor(call.session, call.caller, flavor_id)


def _flavor_to_change(call: Call, flavor_id: str) -> Flavor:
    flavor = _flavor(call, flavor_id)
    lock_row(call.session, flavor)
    return flavor


def _known(flavor: Flavor, key: str) -> str:
    if key not in flavor.extra_specs:
        raise NotFound(f"Flavor {flavor.id} has no extra specs with key {key}.")
    return str(flavor.extra_specs[key])


def _add(call: Call, flavor: Flavor, specs: dict[str, Value]) -> None:
    """Values are kept as texts, whatever they came as."""
    for key, value in specs.items():
        if not KEY.fullmatch(key):
            raise BadRequest(
                f"Invalid extra spec key {key[:64]!r}: 1 to 255 letters, digits, and '-_:. '."
            )
        if len(str(value)) > 255 or "\0" in str(value):
            raise BadRequest(f"Invalid extra spec {key}: at most 255 characters, no NUL.")
    flavor.extra_specs = flavor.extra_specs | {key: str(value) for key, value in specs.items()}
    call.audit("update", "flavor", flavor.id)


def list_specs(call: Call, flavor_id: str) -> dict[str, Any]:
    """All extra specs of a flavor."""
    return {"extra_specs": _flavor(call, flavor_id).extra_specs}


def create_specs(call: Call, flavor_id: str, body: ExtraSpecs) -> dict[str, Any]:
    """Add extra specs, or change them."""
    _add(call, _flavor_to_change(call, flavor_id), body.extra_specs)
    return body.model_dump()


def show_spec(call: Call, flavor_id: str, key: str) -> dict[str, str]:
    """One extra spec."""
    return {key: _known(_flavor(call, flavor_id), key)}


def update_spec(call: Call, flavor_id: str, key: str, body: dict[str, Value]) -> dict[str, Any]:
    """Change one extra spec, or add it."""
    if list(body) != [key]:
        raise BadRequest("Request body and URI mismatch")
    _add(call, _flavor_to_change(call, flavor_id), body)
    return body


def delete_spec(call: Call, flavor_id: str, key: str) -> None:
    """Remove one extra spec."""
    flavor = _flavor_to_change(call, flavor_id)
    _known(flavor, key)
    flavor.extra_specs = {
        name: flavor.extra_specs[name] for name in flavor.extra_specs if name != key
    }
    call.audit("update", "flavor", flavor.id)


def routes(table: Routes) -> None:
    """Add the routes of extra specs."""
    path = "/flavors/{flavor_id}/os-extra_specs"
    one = path + "/{key}"
    table.add("GET", path, list_specs, policy=SEE_SPECS)
    table.add("POST", path, create_specs, policy=f"{POLICY}:create")
    table.add("GET", one, show_spec, policy=f"{POLICY}:show")
    table.add("PUT", one, update_spec, policy=f"{POLICY}:update")
    table.add("DELETE", one, delete_spec, policy=f"{POLICY}:delete", empty=True)
