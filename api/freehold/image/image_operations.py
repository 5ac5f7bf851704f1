"""Create, show, change and delete images, and take them out of use (API reference, "Images")."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from freehold.access import Rule
from freehold.errors import Conflict, Forbidden
from freehold.http import Call, Reply, Routes
from freehold.image.image import (
    ACTIVE,
    DEACTIVATED,
    DeletedImage,
    Image,
    permitted_image,
)
from freehold.image.image_patch import NEWEST, SCHEMA, apply, may_publish, read_patch
from freehold.image.image_request import (
    KNOWN,
    ImageWish,
    check_names,
    checked,
    set_property,
    set_tags,
)
from freehold.image.image_wire import wire
from freehold.store import lock, new_id, on_commit

SEEN = (
    "rule:admin_required or (role:reader and (project_id:%(project_id)s or "
    "project_id:%(member_id)s or 'public':%(visibility)s or 'community':%(visibility)s))"
)
OWN = "rule:admin_or_member"
RULES = [
    Rule("get_image", SEEN, "GET /v2/images/{image_id}"),
    Rule("add_image", OWN, "POST /v2/images"),
    Rule("modify_image", OWN, "PATCH /v2/images/{image_id}; its tags"),
    Rule("delete_image", OWN, "DELETE /v2/images/{image_id}"),
    Rule("publicize_image", "rule:admin_required", "Make an image public"),
    Rule("communitize_image", OWN, "Make an image a community image"),
    Rule("deactivate", OWN, "POST /v2/images/{image_id}/actions/deactivate"),
    Rule("reactivate", OWN, "POST /v2/images/{image_id}/actions/reactivate"),
]


def create_image(call: Call, body: dict[str, Any]) -> Reply:
    """Write down a new image without data; its id may be given, once for ever."""
    check_names(body)
    wish = checked(body)
    given = wish.model_dump(include=set(KNOWN) - {"id", "tags"})
    owner = given.pop("owner") or call.caller.project_id
    if owner != call.caller.project_id and not call.caller.is_admin:
        raise Forbidden(f"You are not permitted to create images owned by '{owner}'.")
    image_id = (wish.id or new_id()).lower()
    if wish.id is not None:
        _require_new(call.session, image_id)
    image = Image(
        id=image_id, owner=owner, created_at=call.now, updated_at=call.now, members=[], **given
    )
    may_publish(call, image, image.visibility)
    set_tags(image, wish.tags)
    for name, value in (wish.model_extra or {}).items():
        set_property(image, name, value)
    call.session.add(image)
    call.session.flush()
    call.audit("create", "image", image.id)
    shown = wire(image, call.now)
    return Reply(shown, 201, {"Location": call.url(f"/image{shown['self']}")})


def _require_new(session: Session, image_id: str) -> None:
    lock(session, "image", image_id)
    if session.get(Image, image_id) or session.get(DeletedImage, image_id):
        raise Conflict(f"Image ID {image_id} already exists!")


def show_image(call: Call, image_id: str) -> dict[str, Any]:
    """One image."""
    return wire(permitted_image(call, image_id, "get_image"), call.now)


def list_tasks(call: Call, image_id: str) -> dict[str, Any]:
    """What still goes on with an image in the background: nothing, data comes with its request."""
    permitted_image(call, image_id, "get_image")
    return {"tasks": []}


def update_image(call: Call, image_id: str, body: bytes) -> dict[str, Any]:
    """Change attributes and properties by JSON patch; all of the changes or none."""
    changes = read_patch(call.request.headers.get("content-type", ""), body)
    image = permitted_image(call, image_id, "modify_image")
    apply(call, image, changes)
    if changes:
        image.updated_at = call.now
    call.session.flush()
    call.audit("update", "image", image.id)
    return wire(image, call.now)


def delete_image(call: Call, image_id: str) -> None:
    """Forget the image in any status; its data goes when the deletion is committed.

    Servers made from it keep running on what their hosts have fetched.
    """
    image = permitted_image(call, image_id, "delete_image")
    if image.protected:
        raise Forbidden(f"Image {image.id} is protected and cannot be deleted.")
    call.session.delete(image)
    call.session.add(DeletedImage(id=image.id, deleted_at=call.now))
    place = call.config.images_dir / image.id
    on_commit(call.session, lambda: place.unlink(missing_ok=True))
    call.audit("delete", "image", image.id)


def abandon_image(session: Session, image_id: str, now: datetime) -> None:
    """Forget an image whose data will never come; one that has its data stays."""
    image = session.get(Image, image_id, with_for_update=True)
    if image is not None and not image.has_data:
        session.delete(image)
        session.add(DeletedImage(id=image_id, deleted_at=now))


def deactivate(call: Call, image_id: str) -> None:
    """Take an image's data out of use, without removing it."""
    _switch(call, permitted_image(call, image_id, "deactivate"), ACTIVE, DEACTIVATED)


def reactivate(call: Call, image_id: str) -> None:
    """Let an image's data be used again."""
    _switch(call, permitted_image(call, image_id, "reactivate"), DEACTIVATED, ACTIVE)


def _switch(call: Call, image: Image, before: str, after: str) -> None:
    if image.status == after:
        return
    if image.status != before:
        raise Forbidden(
            f"Image status transition from {image.shown_status(call.now)} to {after} is not "
            f"allowed: only an image that is {before} can become {after}."
        )
    image.status = after
    image.updated_at = call.now
    call.audit("update", "image", image.id, status=after)


def routes(table: Routes) -> None:
    """Add the routes of images themselves."""
    one = "/images/{image_id}"
    wish = {"application/json": ImageWish.model_json_schema()}
    table.add("POST", "/images", create_image, policy="add_image", status=201, request=wish)
    table.add("GET", one, show_image, policy="get_image")
    table.add("GET", f"{one}/tasks", list_tasks, policy="get_image")
    table.add("PATCH", one, update_image, policy="modify_image", request={NEWEST: SCHEMA})
    table.add("DELETE", one, delete_image, policy="delete_image", status=204)
    table.add("POST", f"{one}/actions/deactivate", deactivate, policy="deactivate", status=204)
    table.add("POST", f"{one}/actions/reactivate", reactivate, policy="reactivate", status=204)
