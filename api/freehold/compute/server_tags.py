"""A server's tags: ``/servers/{id}/tags``, from microversion 2.26."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from freehold.access import Rule
from freehold.compute.server import Server, ServerTag, find_server
from freehold.compute.server_locked import require_unlocked
from freehold.compute.server_request import Tag
from freehold.errors import BadRequest, NotFound
from freehold.http import Call, Reply, Routes

POLICY = "os_compute_api:os-server-tags"
RULES = [
    Rule(f"{POLICY}:index", "rule:admin_or_reader", "List a server's tags"),
    Rule(f"{POLICY}:show", "rule:admin_or_reader", "Ask for a tag of a server"),
    Rule(f"{POLICY}:update", "rule:admin_or_member", "Add a tag to a server"),
    Rule(f"{POLICY}:update_all", "rule:admin_or_member", "Replace a server's tags"),
    Rule(f"{POLICY}:delete", "rule:admin_or_member", "Delete a tag of a server"),
    Rule(f"{POLICY}:delete_all", "rule:admin_or_member", "Delete all tags of a server"),
]
MOST = 50
_TAG: TypeAdapter[str] = TypeAdapter(Tag)


class TagsBody(BaseModel):
    """``{"tags": […]}``."""

    model_config = ConfigDict(extra="forbid")

    tags: Annotated[list[Tag], Field(max_length=MOST)]


def _find(call: Call, server_id: str, verb: str) -> Server:
    if not call.at_least("2.26"):
        raise NotFound("The resource could not be found.")
    server = find_server(call, server_id, f"{POLICY}:{verb}")
    if call.request.method not in ("GET", "HEAD"):
        require_unlocked(call, server)
    return server


def list_tags(call: Call, server_id: str) -> dict[str, Any]:
    """All of them."""
    return {"tags": _find(call, server_id, "index").tags}


def has_tag(call: Call, server_id: str, tag: str) -> Reply:
    """204 when the server has the tag, else 404."""
    if tag not in _find(call, server_id, "show").tags:
        raise NotFound(f"Server {server_id} has no tag '{tag}'")
    return Reply(None, 204)


def replace_tags(call: Call, server_id: str, body: TagsBody) -> dict[str, Any]:
    """Replace all."""
    server = _find(call, server_id, "update_all")
    _write(call, server, set(body.tags))
    return {"tags": sorted(set(body.tags))}


def add_tag(call: Call, server_id: str, tag: str) -> Reply:
    """Add one: 201 when it is new, 204 when it was there."""
    server = _find(call, server_id, "update")
    try:
        _TAG.validate_python(tag)
    except ValidationError as error:
        raise BadRequest("A tag has 1 to 60 characters, neither commas nor slashes.") from error
    if tag in server.tags:
        return Reply(None, 204)
    if len(server.tags) >= MOST:
        raise BadRequest(f"The number of tags exceeded the per-server limit {MOST}")
    _write(call, server, {*server.tags, tag})
    location = call.url(f"/compute/v2.1/servers/{server_id}/tags/{quote(tag)}")
    return Reply(None, 201, {"Location": location})


def delete_tag(call: Call, server_id: str, tag: str) -> Reply:
    """Remove one."""
    server = _find(call, server_id, "delete")
    if tag not in server.tags:
        raise NotFound(f"Server {server_id} has no tag '{tag}'")
    _write(call, server, {*server.tags} - {tag})
    return Reply(None, 204)


def delete_tags(call: Call, server_id: str) -> Reply:
    """Remove all."""
    _write(call, _find(call, server_id, "delete_all"), set())
    return Reply(None, 204)


def _write(call: Call, server: Server, tags: set[str]) -> None:
    kept = [row for row in server.tag_rows if row.tag in tags]
    new = sorted(tags - {row.tag for row in kept})
    server.tag_rows = kept + [ServerTag(tag=tag) for tag in new]
    server.updated_at = call.now
    call.audit("update", "server", server.id, tags=sorted(tags))


def routes(table: Routes) -> None:
    """Serve them."""
    path = "/servers/{server_id}/tags"
    table.add("GET", path, list_tags, policy=f"{POLICY}:index")
    table.add("PUT", path, replace_tags, policy=f"{POLICY}:update_all")
    table.add("DELETE", path, delete_tags, policy=f"{POLICY}:delete_all", status=204)
    table.add("GET", path + "/{tag}", has_tag, policy=f"{POLICY}:show", status=204)
    table.add("PUT", path + "/{tag}", add_tag, policy=f"{POLICY}:update", status=204, also=[201])
    table.add("DELETE", path + "/{tag}", delete_tag, policy=f"{POLICY}:delete", status=204)
