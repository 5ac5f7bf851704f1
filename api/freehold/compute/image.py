"""``/images/{id}``: images in nova's old form, which ends with microversion 2.35.

The Image API's own operations, told as nova tells them; lists are in the Image API only.
"""

from __future__ import annotations

from typing import Any

from freehold import image
from freehold.access import Rule
from freehold.compute.link import bookmark, links
from freehold.errors import NotFound
from freehold.http import Call, Reply, Routes

POLICY = "os_compute_api:image"
RULES = [
    Rule(f"{POLICY}:show", "rule:admin_or_reader", "Show an image in nova's form"),
    Rule(f"{POLICY}:delete", "rule:admin_or_member", "Delete an image"),
]
STATUSES = {"active": "ACTIVE", "queued": "SAVING", "saving": "SAVING"}
"""The Image API's status → nova's; any other is UNKNOWN."""


def _require_old(call: Call) -> None:
    if call.at_least("2.36"):
        raise NotFound("Images are in the Image API since microversion 2.36.")


def show_image(call: Call, image_id: str) -> dict[str, Any]:
    """One image; what the Image API does not know itself is its metadata."""
    _require_old(call)
    found = image.find_image(call.session, call.caller, image_id)
    told = image.show_image(call, image_id)
    status = STATUSES.get(told["status"], "UNKNOWN")
    shown: dict[str, Any] = {
        "id": found.id,
        "name": found.name,
        "status": status,
        "created": told["created_at"],
        "updated": told["updated_at"],
        "minDisk": found.min_disk,
        "minRam": found.min_ram,
        "progress": 100 if status == "ACTIVE" else 0,
        "metadata": found.properties,
        "OS-EXT-IMG-SIZE:size": found.size,
        "links": links(call, "images", found.id),
    }
    if server_id := found.properties.get("instance_uuid"):
        shown["server"] = {"id": server_id, "links": [bookmark(call, "servers", server_id)]}
    return {"image": shown}


def delete_image(call: Call, image_id: str) -> Reply:
    """Delete an image."""
    _require_old(call)
    image.delete_image(call, image_id)
    return Reply(None, 204)


def routes(table: Routes) -> None:
    """Serve them."""
    table.add("GET", "/images/{image_id}", show_image, policy=f"{POLICY}:show")
    table.add("DELETE", "/images/{image_id}", delete_image, policy=f"{POLICY}:delete", status=204)
