"""Tags of an image, one by one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from freehold.errors import BadRequest, NotFound
from freehold.http import Call, Routes
from freehold.image.image import ImageTag, permitted_image
from freehold.image.image_request import MAX_TAGS, require_room

Tag = Annotated[str, Field(max_length=255)]


def add_tag(call: Call, image_id: str, tag: Tag) -> None:
    """Put a tag on an image; having it already is fine."""
    image = permitted_image(call, image_id, "modify_image")
    if "\0" in tag:
        raise BadRequest("A tag must not have a NUL character.")
    if tag in image.tags:
        return
    require_room(len(image.tags) + 1, MAX_TAGS, "tags")
    image.tag_rows.append(ImageTag(tag=tag))
    image.updated_at = call.now
    call.audit("add_tag", "image", image.id)


def remove_tag(call: Call, image_id: str, tag: Tag) -> None:
    """Take a tag off an image."""
    image = permitted_image(call, image_id, "modify_image")
    if tag not in image.tags:
        raise NotFound(f"Could not find tag {tag} on image {image.id}.")
    image.tag_rows = [row for row in image.tag_rows if row.tag != tag]
    image.updated_at = call.now
    call.audit("remove_tag", "image", image.id)


def routes(table: Routes) -> None:
    """Add the routes of tags."""
    path = "/images/{image_id}/tags/{tag}"
    table.add("PUT", path, add_tag, policy="modify_image", status=204)
    table.add("DELETE", path, remove_tag, policy="modify_image", status=204)
