"""The tags of a project at ``/v3/projects/{project_id}/tags``."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from freehold.access import Rule
from freehold.errors import BadRequest, NotFound
from freehold.http import Call, Reply, Routes
from freehold.identity.collection import add_read, link, load
from freehold.identity.project import Project
from freehold.identity.project_tag import MAX_TAGS, ProjectTag, TagList, set_tags, tags_of
from freehold.identity.version import VERSION

RULES = [
    Rule(
        f"identity:{verb}_project_tag{plural}",
        "rule:admin_required or project_id:%(target.project.id)s"
        if reads
        else "rule:admin_required",
        f"{method} /v3/projects/{{project_id}}/tags{path}",
    )
    for verb, plural, reads, method, path in (
        ("list", "s", True, "GET", ""),
        ("get", "", True, "GET", "/{value}"),
        ("update", "s", False, "PUT", ""),
        ("create", "", False, "PUT", "/{value}"),
        ("delete", "s", False, "DELETE", ""),
        ("delete", "", False, "DELETE", "/{value}"),
    )
]


class NewTags(BaseModel):
    """Body that replaces all tags."""

    model_config = ConfigDict(extra="forbid", strict=True)
    tags: TagList


def list_tags(call: Call, project_id: str) -> dict[str, Any]:
    """The tags of a project."""
    call.enforce("identity:list_project_tags", {"target.project.id": project_id})
    load(call.session, Project, "project", project_id)
    return _shown(call, project_id)


def put_tags(call: Call, project_id: str, body: NewTags) -> dict[str, Any]:
    """Replace the tags of a project."""
    load(call.session, Project, "project", project_id)
    set_tags(call.session, project_id, body.tags)
    call.audit("update", "project", project_id)
    return _shown(call, project_id)


def _shown(call: Call, project_id: str) -> dict[str, Any]:
    tags = tags_of(call.session, [project_id]).get(project_id, [])
    return {"tags": tags, "links": {"self": link(call, f"/projects/{project_id}/tags")}}


def delete_tags(call: Call, project_id: str) -> Reply:
    """Remove all tags of a project."""
    load(call.session, Project, "project", project_id)
    set_tags(call.session, project_id, [])
    call.audit("update", "project", project_id)
    return Reply(status=204)


def check_tag(call: Call, project_id: str, value: str) -> Reply:
    """Whether the project has the tag."""
    call.enforce("identity:get_project_tag", {"target.project.id": project_id})
    if call.session.get(ProjectTag, (project_id, value)) is None:
        raise NotFound(f"Could not find project tag: {value}.")
    return Reply(status=204)


def put_tag(call: Call, project_id: str, value: str) -> Reply:
    """Add one tag."""
    load(call.session, Project, "project", project_id)
    tags = tags_of(call.session, [project_id]).get(project_id, [])
    if not 1 <= len(value) <= 255 or "," in value or "\x00" in value:
        raise BadRequest("A tag has 1 to 255 characters and neither comma nor slash.")
    if value not in tags:
        if len(tags) >= MAX_TAGS:
            raise BadRequest(f"A project has at most {MAX_TAGS} tags.")
        call.session.add(ProjectTag(project_id=project_id, tag=value))
        call.audit("update", "project", project_id)
    where = link(call, f"/projects/{project_id}/tags/{quote(value)}")
    return Reply(status=201, headers={"Location": where})


def delete_tag(call: Call, project_id: str, value: str) -> Reply:
    """Remove one tag."""
    row = call.session.get(ProjectTag, (project_id, value))
    if row is None:
        raise NotFound(f"Could not find project tag: {value}.")
    call.session.delete(row)
    call.audit("update", "project", project_id)
    return Reply(status=204)


ROUTES = Routes(VERSION)
_ALL = "/projects/{project_id}/tags"
_ONE = "/projects/{project_id}/tags/{value}"
add_read(ROUTES, _ALL, list_tags, policy="logged_in")
add_read(ROUTES, _ONE, check_tag, policy="logged_in", status=204)
ROUTES.add("PUT", _ALL, put_tags, policy="identity:update_project_tags")
ROUTES.add("DELETE", _ALL, delete_tags, policy="identity:delete_project_tags", status=204)
ROUTES.add("PUT", _ONE, put_tag, policy="identity:create_project_tag", status=201, empty=True)
ROUTES.add("DELETE", _ONE, delete_tag, policy="identity:delete_project_tag", status=204)
