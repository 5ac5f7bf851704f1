"""Compute services as operators know them: one ``nova-compute`` for each host.

There is no such process here; a host is up when its own runs succeed, and disabling the service
means that placement leaves the host out.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from freehold.access import Rule
from freehold.compute.host_state import is_up, older_id
from freehold.errors import BadRequest, NotFound, NotSupported
from freehold.hosts import Host, HostWish, all_hosts, register
from freehold.http import Call, Routes

POLICY = "os_compute_api:os-services"
BINARY = "nova-compute"
RULES = [
    Rule(f"{POLICY}:list", "rule:admin_required", "GET /os-services"),
    Rule(f"{POLICY}:update", "rule:admin_required", "PUT /os-services/{service_id}"),
]


class ServiceChange(BaseModel):
    """Body of ``PUT /os-services/{id}`` from 2.53; before, ``host`` and ``binary`` name it."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["enabled", "disabled"] | None = None
    disabled_reason: str | None = Field(default=None, min_length=1, max_length=255)
    forced_down: bool | None = None
    host: str | None = Field(default=None, max_length=255)
    binary: str | None = Field(default=None, max_length=255)


def wire(call: Call, host: Host) -> dict[str, Any]:
    """A host's service."""
    shown: dict[str, Any] = {
        "id": host.id if call.at_least("2.53") else older_id(host),
        "binary": BINARY,
        "host": host.name,
        "zone": host.availability_zone,
        "status": "enabled" if host.enabled else "disabled",
        "state": "up" if is_up(host, call.now, call.config) else "down",
        "disabled_reason": host.disabled_reason,
        "updated_at": host.seen_at.replace(tzinfo=None).isoformat() if host.seen_at else None,
    }
    if call.at_least("2.11"):
        shown["forced_down"] = False
    return shown


def list_services(call: Call) -> dict[str, Any]:
    """All services; ``host`` and ``binary`` filter."""
    name, binary = call.params.get("host"), call.params.get("binary", BINARY)
    hosts = [host for host in all_hosts(call.session) if name in (None, host.name)]
    return {"services": [wire(call, host) for host in hosts if binary == BINARY]}


def update_service(call: Call, service_id: str, body: ServiceChange) -> dict[str, Any]:
    """Let placement use a host, or leave it out; servers on it stay as they are."""
    if body.forced_down is not None or service_id == "force-down":
        raise NotSupported("This cloud has no evacuation, so no host can be forced down.")
    if not call.at_least("2.53"):
        return _older_update(call, service_id, body)
    if body.host is not None or body.binary is not None:
        raise BadRequest("Invalid input: from 2.53 the service is named by its id alone.")
    if body.status is None:
        raise BadRequest("No updates were requested. Fields 'status' should be specified.")
    if body.status == "enabled" and body.disabled_reason is not None:
        raise BadRequest("Specifying 'disabled_reason' with status 'enabled' is invalid.")
    host = _host(call, lambda host: host.id == service_id, service_id)
    _switch(call, host, enabled=body.status == "enabled", reason=body.disabled_reason)
    return {"service": wire(call, host)}


def _older_update(call: Call, action: str, body: ServiceChange) -> dict[str, Any]:
    """``PUT /os-services/enable`` and such, until 2.52."""
    if action not in ("enable", "disable", "disable-log-reason"):
        raise NotFound("Unknown action")
    if body.host is None or body.binary != BINARY:
        raise BadRequest(f"Invalid input: host, and binary {BINARY}, are required.")
    if (action == "disable-log-reason") != (body.disabled_reason is not None):
        raise BadRequest("Invalid input: disabled_reason goes with disable-log-reason.")
    host = _host(call, lambda host: host.name == body.host, body.host)
    _switch(call, host, enabled=action == "enable", reason=body.disabled_reason)
    shown = {"host": host.name, "binary": BINARY, "status": wire(call, host)["status"]}
    if host.disabled_reason:
        shown["disabled_reason"] = host.disabled_reason
    return {"service": shown}


def _host(call: Call, matches: Any, asked: str) -> Host:
    for host in all_hosts(call.session):
        if matches(host):
            return host
    raise NotFound(f"Service {asked} could not be found.")


def _switch(call: Call, host: Host, *, enabled: bool, reason: str | None) -> None:
    wish = HostWish(
        address=host.address,
        availability_zone=host.availability_zone,
        enabled=enabled,
        disabled_reason=reason,
    )
    register(call.session, host.name, wish, call.now)
    call.audit("update", "service", host.id, enabled=enabled)


def routes(table: Routes) -> None:
    """Add the routes of services."""
    table.add("GET", "/os-services", list_services, policy=f"{POLICY}:list")
    table.add("PUT", "/os-services/{service_id}", update_service, policy=f"{POLICY}:update")
