"""The machine's side of ``network/ovn``: what it is told, and what it would answer."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema

from freehold.jobs import Result, Scope
from freehold.network import target_kinds
from freehold.store import utc_now
from tests.support.service import Service

SCHEMAS = Path(__file__).resolve().parents[3] / "docs/reference/documents"
TYPES = {
    "networks": "network",
    "subnets": "subnet",
    "security_groups": "security_group",
    "ports": "port",
    "routers": "router",
    "floating_ips": "floating_ip",
}


def _schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return loaded


def kind(service: Service) -> Any:
    """The target kind ``network``."""
    (found,) = target_kinds(service.config, service.app.state.access.tokens)
    return found


def document(service: Service, scope: Scope = Scope.CHANGES) -> dict[str, Any] | None:
    """What the machine is told now, proved to be of the form that it accepts."""
    with service.store.read() as session:
        body = kind(service).document(session, "ovn", scope, utc_now())
    if body is None:
        return None
    target = {"kind": "network", "name": "ovn"}
    whole = {"format": 1, "target": target, "scope": str(scope), **body}
    jsonschema.validate(whole, _schema("network"))
    return whole


def told(service: Service, section: str) -> dict[str, dict[str, Any]]:
    """The entries of one section of the changes by id."""
    whole = document(service)
    return {entry["id"]: entry for entry in whole[section]} if whole else {}


def done(entry: dict[str, Any], section: str, **fields: Any) -> dict[str, Any]:
    """What a machine says of an entry that it has brought about."""
    return {
        "type": TYPES[section],
        "id": entry["id"],
        "generation": entry["generation"],
        "outcome": "changed",
        "found": {"present": entry["state"] == "present"},
        "steps": [],
        "error": None,
        **fields,
    }


def answer(service: Service, *entries: dict[str, Any], now: datetime | None = None) -> bool:
    """Write a result back; returns whether everything is settled."""
    whole = {
        "format": 1,
        "target": {"kind": "network", "name": "ovn"},
        "check": False,
        "changed": True,
        "resources": list(entries),
        "unknown": [],
        "facts": {},
    }
    jsonschema.validate(whole, _schema("result"))
    with service.store.write() as session:
        settled: bool = kind(service).write_back(
            session, "ovn", Result.model_validate(whole), now or utc_now()
        )
        return settled


def converge(service: Service) -> bool:
    """Bring about all that the machine is told, as it does when everything goes well."""
    whole = document(service)
    if whole is None:
        return True
    return answer(service, *(done(entry, section) for section in TYPES for entry in whole[section]))
