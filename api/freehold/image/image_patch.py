"""``PATCH /v2/images/{id}``: JSON patch in the two media types that glance reads.

The newer one is RFC 6902 limited to add, replace and remove; the older one
(``openstack-images-v2.0``) names the path in a member called like the operation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from freehold.errors import BadRequest, Conflict, Forbidden, UnsupportedMediaType
from freehold.http import Call
from freehold.http.body import json_value
from freehold.image.image import QUEUED, Image
from freehold.image.image_request import (
    KNOWN,
    MAX_PROPERTIES,
    check_names,
    checked,
    require_room,
    set_property,
    set_tags,
)

OPERATIONS = ("add", "replace", "remove")
NEWEST = "application/openstack-images-v2.1-json-patch"
SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "op": {"enum": list(OPERATIONS)},
            "path": {"type": "string", "pattern": "^/[^/]+$"},
            "value": {},
        },
        "required": ["op", "path"],
    },
}
"""Of a patch in the newest form, for the API document."""
VISIBILITY_RULES = {"public": "publicize_image", "community": "communitize_image"}


@dataclass(frozen=True)
class Change:
    """One operation on one attribute; ``value`` is None for ``remove``."""

    operation: str
    name: str
    value: Any


def read_patch(media_type: str, content: bytes) -> list[Change]:
    """The changes that a body asks for.

    Raises:
        UnsupportedMediaType: Neither of the two media types.
        BadRequest: The body is not of the form that its media type has.
        Forbidden: It names an attribute that nobody may write.
    """
    kind = media_type.split(";")[0].strip().lower()
    if kind not in MEDIA_TYPES:
        raise UnsupportedMediaType(
            f"Image PATCH expects Content-Type one of: {', '.join(MEDIA_TYPES)}"
        )
    operations = json_value(content)
    if not isinstance(operations, list):
        raise BadRequest("Request body must be a JSON array of operation objects.")
    if not all(isinstance(operation, dict) for operation in operations):
        raise BadRequest("Operations must be JSON objects.")
    return [_change(operation, MEDIA_TYPES[kind]) for operation in operations]


def _newer(raw: dict[str, Any]) -> tuple[str, Any]:
    if raw.get("op") not in OPERATIONS:
        raise BadRequest(f"Each operation needs `op`, one of: {', '.join(OPERATIONS)}.")
    if "path" not in raw:
        raise BadRequest("Unable to find 'path' in JSON Schema change")
    return raw["op"], raw["path"]


def _older(raw: dict[str, Any]) -> tuple[str, Any]:
    named = [operation for operation in OPERATIONS if operation in raw]
    if len(named) != 1:
        raise BadRequest(
            'Operation objects must contain exactly one member named "add", "remove", or "replace".'
        )
    return named[0], raw[named[0]]


MEDIA_TYPES: dict[str, Callable[[dict[str, Any]], tuple[str, Any]]] = {
    "application/openstack-images-v2.0-json-patch": _older,
    NEWEST: _newer,
}


def _change(raw: dict[str, Any], form: Callable[[dict[str, Any]], tuple[str, Any]]) -> Change:
    operation, path = form(raw)
    name = _attribute(path)
    check_names([name])
    if name == "id":
        raise Forbidden("Attribute 'id' is read-only.")
    if operation == "remove":
        if name in KNOWN:
            raise Forbidden(f"Property {name} may not be removed.")
        return Change(operation, name, None)
    if "value" not in raw:
        raise BadRequest(f'Operation "{operation}" requires a member named "value".')
    checked({name: raw["value"]})
    return Change(operation, name, raw["value"])


def _attribute(path: Any) -> str:
    """The attribute that a JSON pointer of one step names (RFC 6901)."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise BadRequest(f'Pointer `{path}` does not start with "/".')
    if re.search(r"~(?![01])", path):
        raise BadRequest(f'Pointer `{path}` contains "~" not part of a recognized escape sequence.')
    if "/" in path[1:] or len(path) == 1:
        raise BadRequest(f"Invalid JSON pointer for this resource: '{path}'")
    return path[1:].replace("~1", "/").replace("~0", "~").strip()


def apply(call: Call, image: Image, changes: list[Change]) -> None:
    """Make the changes, in order; the caller has passed ``modify_image``.

    Raises:
        Conflict: A property to replace or remove is not there.
        Forbidden: The caller may not make this change, or not any more.
    """
    for change in changes:
        if change.name in KNOWN:
            _set_known(call, image, change)
        elif change.operation == "add":
            set_property(image, change.name, change.value)
            require_room(len(image.property_rows), MAX_PROPERTIES, "properties")
        elif change.name not in image.properties:
            raise Conflict(f"Property {change.name} does not exist.")
        elif change.operation == "replace":
            set_property(image, change.name, change.value)
        else:
            image.property_rows = [row for row in image.property_rows if row.name != change.name]


def _set_known(call: Call, image: Image, change: Change) -> None:
    name, value = change.name, change.value
    if name == "tags":
        set_tags(image, value)
        return
    if getattr(image, name) == value:
        return
    if name == "owner" and not call.caller.is_admin:
        raise Forbidden("You are not permitted to modify 'owner' on this image.")
    if name in ("disk_format", "container_format") and image.shown_status(call.now) != QUEUED:
        raise Forbidden(f"Attribute {name} can be only replaced for a queued image.")
    if name == "visibility":
        may_publish(call, image, value)
    setattr(image, name, value)


def may_publish(call: Call, image: Image, visibility: str) -> None:
    """Refuse (Forbidden) a visibility that policy does not let the caller give."""
    if (rule := VISIBILITY_RULES.get(visibility)) is not None:
        call.enforce(rule, image.policy_target(call.caller))
