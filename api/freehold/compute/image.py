"""``/images``: images in nova's old form, which ends with microversion 2.35.

The Image API's own operations, told as nova tells them (API reference, "Images (deprecated)").
Clients of the first microversion still find images by name here, Terraform's provider among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold import image
from freehold.access import Rule
from freehold.compute.link import bookmark, links, next_page
from freehold.compute.times import iso_time
from freehold.errors import NotFound
from freehold.http import Call, Reply, Routes
from freehold.image import Image

POLICY = "os_compute_api:image"
RULES = [
    Rule(f"{POLICY}:index", "rule:admin_or_reader", "List images in nova's form"),
    Rule(f"{POLICY}:show", "rule:admin_or_reader", "Show an image in nova's form"),
    Rule(f"{POLICY}:delete", "rule:admin_or_member", "Delete an image"),
]
STATUSES = {"active": "ACTIVE", "queued": "SAVING", "saving": "SAVING"}
"""The Image API's status → nova's; any other is UNKNOWN."""
FILTERS: dict[str, Callable[[str], tuple[str, str]]] = {
    "name": lambda text: ("name", text),
    "status": lambda text: ("status", _own_statuses(text)),
    "server": lambda text: ("instance_uuid", text.rpartition("/")[2]),  # an id, or a link
    "type": lambda text: ("image_type", text),
    "minRam": lambda text: ("min_ram", text),
    "minDisk": lambda text: ("min_disk", text),
    "changes-since": lambda text: ("updated_at", f"gte:{text}"),
}
"""Query parameter → the Image API's name and value; ``property-x`` is its x, others are ignored."""
PROPERTY = "property-"


def _own_statuses(shown: str) -> str:
    """The Image API's filter for all statuses that look so here."""
    own = [status for status, told in STATUSES.items() if told == shown.upper()]
    return f"in:{','.join(own)}" if own else shown.lower()


def _require_old(call: Call) -> None:
    if call.at_least("2.36"):
        raise NotFound("Images are in the Image API since microversion 2.36.")


def list_images(call: Call) -> dict[str, Any]:
    """The caller's images by id and name, newest first."""
    return _listed(call, _basic_wire, "/images")


def list_images_detail(call: Call) -> dict[str, Any]:
    """The same with all that is known of them."""
    return _listed(call, _wire, "/images/detail")


def _listed(call: Call, form: Callable[[Call, Image], dict[str, Any]], path: str) -> dict[str, Any]:
    _require_old(call)
    limit, marker = call.params.get("limit"), call.params.get("marker")
    page = image.find_images(call, _filters(call), limit=limit, marker=marker)
    body: dict[str, Any] = {"images": [form(call, found) for found in page.rows]}
    if page.more:
        body |= next_page(call, "images_links", path, page.rows[-1].id)
    return body


def _filters(call: Call) -> dict[str, str]:
    asked = {}
    for name, text in call.params.items():
        if name.startswith(PROPERTY):
            asked[name.removeprefix(PROPERTY)] = text
        elif name in FILTERS:
            key, value = FILTERS[name](text)
            asked[key] = value
    return asked


def show_image(call: Call, image_id: str) -> dict[str, Any]:
    """One image."""
    _require_old(call)
    return {"image": _wire(call, image.permitted_image(call, image_id, "get_image"))}


def _basic_wire(call: Call, found: Image) -> dict[str, Any]:
    return {"id": found.id, "name": found.name, "links": links(call, "images", found.id)}


def _wire(call: Call, found: Image) -> dict[str, Any]:
    """What nova's form has no name for is its metadata."""
    status = STATUSES.get(found.shown_status(call.now), "UNKNOWN")
    shown = _basic_wire(call, found) | {
        "status": status,
        "created": iso_time(found.created_at),
        "updated": iso_time(found.updated_at),
        "minDisk": found.min_disk,
        "minRam": found.min_ram,
        "progress": 100 if status == "ACTIVE" else 0,
        "metadata": found.properties,
        "OS-EXT-IMG-SIZE:size": found.size,
    }
    if server_id := found.properties.get("instance_uuid"):
        shown["server"] = {"id": server_id, "links": [bookmark(call, "servers", server_id)]}
    return shown


def delete_image(call: Call, image_id: str) -> Reply:
    """Delete an image."""
    _require_old(call)
    image.delete_image(call, image_id)
    return Reply(None, 204)


def routes(table: Routes) -> None:
    """Serve them."""
    table.add("GET", "/images", list_images, policy=f"{POLICY}:index")
    table.add("GET", "/images/detail", list_images_detail, policy=f"{POLICY}:index")
    table.add("GET", "/images/{image_id}", show_image, policy=f"{POLICY}:show")
    table.add("DELETE", "/images/{image_id}", delete_image, policy=f"{POLICY}:delete", status=204)
