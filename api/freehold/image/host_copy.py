"""Images on their way to hosts: the host document's entries, and the data behind their links.

A host reads ``/v1/images/{id}/data`` with a bearer value that is good for this path and a while; it
has no account here, and a link that leaks gives one image to whoever finds it soon.
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
from freehold.errors import NotAuthenticated, NotFound
from freehold.hosts import ROUTES as HOST_ROUTES
from freehold.http import Call, Routes
from freehold.image.image import ACTIVE, DEACTIVATED, Image
from freehold.image.image_data import HASH_ALGORITHM, data_response

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


def read_data(call: Call, image_id: str) -> Response:
    """An image's data for a host that has a link to it."""
    scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthenticated("This path is read by hosts, with the bearer value of a document.")
    call.access.tokens.check_link(data_path(image_id), value.strip(), call.now)
    image = call.session.get(Image, image_id)
    if image is None or not image.has_data:
        raise NotFound(f"Image {image_id} has no data: it was deleted after the link was made.")
    return data_response(call, image, {})


TABLE.add("GET", "/images/{image_id}/data", read_data, policy=None)
