"""Images on their way to hosts and back: entries of host documents, and the data behind links.

A host reads ``/v1/images/{id}/data`` with a bearer value that is good for this path and a while; it
has no account here, and a link that leaks gives one image to whoever finds it soon. A copy of a
server's disk comes the other way, to ``/v1/images/{id}/file``, with a link for that path.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from freehold.access import Tokens
from freehold.config import Config
from freehold.errors import Conflict, NotAuthenticated, NotFound
from freehold.hosts import ROUTES as HOST_ROUTES
from freehold.http import Call, Routes
from freehold.image.image import ACTIVE, DEACTIVATED, Image
from freehold.image.image_data import HASH_ALGORITHM, data_response, receive_data

LINK_LIFETIME = timedelta(hours=1)
GENERATION = 1
"""An image's data never changes, so there is only one."""
TABLE = Routes(HOST_ROUTES.version)


def document_entries(
    session: Session,
    image_ids: Collection[str],
    *,
    tokens: Tokens,
    config: Config,
    now: datetime,
) -> list[dict[str, Any]]:
    """The ``images`` part of a host document (docs/reference/documents.md).

    An image that is gone, or has no data, is left out: a host that keeps a copy needs none, and
    one that does not says which image it misses.
    """
    rows = session.scalars(
        select(Image)
        .where(Image.id.in_(image_ids), Image.status.in_((ACTIVE, DEACTIVATED)))
        .order_by(Image.id)
    )
    return [_entry(image, tokens, config, now) for image in rows]


def _entry(image: Image, tokens: Tokens, config: Config, now: datetime) -> dict[str, Any]:
    path = data_path(image.id)
    return {
        "id": image.id,
        "generation": GENERATION,
        "state": "present",
        "disk_format": image.disk_format,
        "size_bytes": image.size,
        "checksum": {"algorithm": HASH_ALGORITHM, "value": image.os_hash_value},
        "url": f"{config.public_url.rstrip('/')}{path}",
        "token": tokens.sign_link(path, now + LINK_LIFETIME),
    }


def data_path(image_id: str) -> str:
    """Where hosts read an image's data."""
    return f"{TABLE.version.prefix}/images/{image_id}/data"


def upload_link(image_id: str, tokens: Tokens, config: Config, now: datetime) -> dict[str, str]:
    """Where a host uploads an image's data, and the bearer value for it."""
    path = upload_path(image_id)
    return {
        "url": f"{config.public_url.rstrip('/')}{path}",
        "token": tokens.sign_link(path, now + LINK_LIFETIME),
    }


def upload_path(image_id: str) -> str:
    """Where hosts write an image's data."""
    return f"{TABLE.version.prefix}/images/{image_id}/file"


def _check_link(call: Call, path: str) -> None:
    scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthenticated("This path is for hosts, with the bearer value of a document.")
    call.access.tokens.check_link(path, value.strip(), call.now)


def show_upload(call: Call, image_id: str) -> Response:
    """Whether the image has its data: 204; not yet: 409."""
    _check_link(call, upload_path(image_id))
    image = _found(call, image_id)
    if not image.has_data:
        raise Conflict(f"Image {image_id} has no data yet.")
    return Response(status_code=204)


async def write_data(call: Call, image_id: str) -> Response:
    """Store a host's copy of a disk as the image's data."""
    _check_link(call, upload_path(image_id))
    return await receive_data(call, lambda: _found(call, image_id, lock=True))


def _found(call: Call, image_id: str, *, lock: bool = False) -> Image:
    image = call.session.get(Image, image_id, with_for_update=lock or None)
    if image is None:
        raise NotFound(f"Image {image_id} was deleted.")
    return image


def read_data(call: Call, image_id: str) -> Response:
    """An image's data for a host that has a link to it."""
    _check_link(call, data_path(image_id))
    image = call.session.get(Image, image_id)
    if image is None or not image.has_data:
        raise NotFound(f"Image {image_id} has no data: it was deleted after the link was made.")
    return data_response(call, image, {})


TABLE.add("GET", "/images/{image_id}/data", read_data, policy=None)
TABLE.add("GET", "/images/{image_id}/file", show_upload, policy=None)
TABLE.add_stream("PUT", "/images/{image_id}/file", write_data, policy=None, status=204)
