"""A server's metadata: ``/servers/{id}/metadata``.

Guests read it from the config drive, so the host is asked to write that again after a change.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from freehold.access import Rule, limits_of
from freehold.access.quota import UNLIMITED
from freehold.compute.quota import QUOTA_DEFAULTS
from freehold.compute.server import Server, find_server
from freehold.compute.server_change import ask_host_quietly
from freehold.compute.server_locked import require_unlocked
from freehold.compute.server_request import Metadata
from freehold.errors import BadRequest, NotFound, QuotaExceeded
from freehold.http import Call, Routes

POLICY = "os_compute_api:server-metadata"
RULES = [
    Rule(f"{POLICY}:index", "rule:admin_or_reader", "List a server's metadata"),
    Rule(f"{POLICY}:show", "rule:admin_or_reader", "Show an item of a server's metadata"),
    Rule(f"{POLICY}:create", "rule:admin_or_member", "Add to a server's metadata"),
    Rule(f"{POLICY}:update_all", "rule:admin_or_member", "Replace a server's metadata"),
    Rule(f"{POLICY}:update", "rule:admin_or_member", "Change an item of a server's metadata"),
    Rule(f"{POLICY}:delete", "rule:admin_or_member", "Delete an item of a server's metadata"),
]


class MetadataBody(BaseModel):
    """``{"metadata": {…}}``."""

    model_config = ConfigDict(extra="forbid")

    metadata: Metadata


class ItemBody(BaseModel):
    """``{"meta": {key: value}}``."""

    model_config = ConfigDict(extra="forbid")

    meta: Metadata


def list_metadata(call: Call, server_id: str) -> dict[str, Any]:
    """All items."""
    return {"metadata": find_server(call, server_id, f"{POLICY}:index").meta}


def show_item(call: Call, server_id: str, key: str) -> dict[str, Any]:
    """One item."""
    server = find_server(call, server_id, f"{POLICY}:show")
    if key not in server.meta:
        raise NotFound("Metadata item was not found")
    return {"meta": {key: server.meta[key]}}


def add_metadata(call: Call, server_id: str, body: MetadataBody) -> dict[str, Any]:
    """Add or change items; others stay."""
    server = find_server(call, server_id, f"{POLICY}:create")
    return {"metadata": _write(call, server, {**server.meta, **body.metadata})}


def replace_metadata(call: Call, server_id: str, body: MetadataBody) -> dict[str, Any]:
    """Replace all items."""
    server = find_server(call, server_id, f"{POLICY}:update_all")
    return {"metadata": _write(call, server, dict(body.metadata))}


def put_item(call: Call, server_id: str, key: str, body: ItemBody) -> dict[str, Any]:
    """Write one item."""
    server = find_server(call, server_id, f"{POLICY}:update")
    if list(body.meta) != [key]:
        raise BadRequest("Request body and URI mismatch: the body has to have the URI's one key.")
    _write(call, server, {**server.meta, **body.meta})
    return {"meta": body.meta}


def delete_item(call: Call, server_id: str, key: str) -> None:
    """Remove one item."""
    server = find_server(call, server_id, f"{POLICY}:delete")
    if key not in server.meta:
        raise NotFound("Metadata item was not found")
    _write(call, server, {name: value for name, value in server.meta.items() if name != key})


def require_room_for(call: Call, project_id: str, meta: dict[str, str]) -> None:
    """Refuse (QuotaExceeded) more items than the project's servers may have each."""
    limits = limits_of(call.session, project_id, "compute", QUOTA_DEFAULTS)
    allowed = limits.get("metadata_items", UNLIMITED)
    if allowed != UNLIMITED and len(meta) > allowed:
        raise QuotaExceeded(f"Quota exceeded, too many metadata items: at most {allowed}.")


def _write(call: Call, server: Server, meta: dict[str, str]) -> dict[str, str]:
    require_unlocked(call, server)
    require_room_for(call, server.project_id, meta)
    server.meta = meta
    ask_host_quietly(call, server)
    call.audit("update", "server", server.id, metadata=sorted(meta))
    return meta


def routes(table: Routes) -> None:
    """Serve them."""
    path = "/servers/{server_id}/metadata"
    table.add("GET", path, list_metadata, policy=f"{POLICY}:index")
    table.add("POST", path, add_metadata, policy=f"{POLICY}:create")
    table.add("PUT", path, replace_metadata, policy=f"{POLICY}:update_all")
    table.add("GET", path + "/{key}", show_item, policy=f"{POLICY}:show")
    table.add("PUT", path + "/{key}", put_item, policy=f"{POLICY}:update")
    table.add("DELETE", path + "/{key}", delete_item, policy=f"{POLICY}:delete", status=204)
