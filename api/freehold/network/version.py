"""The Networking API's version, its documents and the room's route table."""

from __future__ import annotations

from typing import Any

from freehold.http import ApiVersion, Routes, version_routes

VERSION = ApiVersion("network", "v2.0", "/network/v2.0", "2016-01-01T00:00:00Z")
TABLE = Routes(VERSION)
RESOURCES = (
    ("network", "networks"),
    ("subnet", "subnets"),
    ("subnetpool", "subnetpools"),
    ("port", "ports"),
    ("router", "routers"),
    ("floatingip", "floatingips"),
    ("security_group", "security-groups"),
    ("security_group_rule", "security-group-rules"),
    ("quota", "quotas"),
    ("extension", "extensions"),
)


def _listed(url: str) -> dict[str, Any]:
    link = {"rel": "self", "href": f"{url}{VERSION.prefix}/"}
    return {"versions": [{"id": VERSION.id, "status": "CURRENT", "links": [link]}]}


def _resources(url: str) -> dict[str, Any]:
    return {
        "resources": [
            {
                "name": name,
                "collection": collection,
                "links": [{"rel": "self", "href": f"{url}{VERSION.prefix}/{collection}"}],
            }
            for name, collection in RESOURCES
        ]
    }


VERSION_ROUTES = version_routes(VERSION, listed=_listed, single=_resources)
