"""An image as the Image API shows it (API reference, "Show image")."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.image.image import Image, ImageMember, ImageProperty, ImageTag
from freehold.store import OWNERS, related


def iso_time(moment: datetime) -> str:
    """``2026-11-21T05:02:00Z``: whole seconds, as glance shows them."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat('T', 'seconds')}Z"


_TAGS = (
    select(ImageTag.image_id, ImageTag.tag)
    .where(ImageTag.image_id.in_(OWNERS))
    .order_by(ImageTag.tag)
)
_PROPERTIES = (
    select(ImageProperty.image_id, ImageProperty.name, ImageProperty.value)
    .where(ImageProperty.image_id.in_(OWNERS))
    .order_by(ImageProperty.name)
)


def wire(image: Image, now: datetime) -> dict[str, Any]:
    """One image. What the schema knows wins over a property of the same name."""
    return {**image.properties, **_known(image, now), "tags": image.tags}


def wires(session: Session, images: Sequence[Image], now: datetime) -> list[dict[str, Any]]:
    """Many of them in two queries; their tags and properties need not have been loaded."""
    ids = [image.id for image in images]
    tags, properties = related(session, _TAGS, ids), related(session, _PROPERTIES, ids)
    return [
        {
            **{name: value for _, name, value in properties.get(image.id, ())},
            **_known(image, now),
            "tags": [tag for _, tag in tags.get(image.id, ())],
        }
        for image in images
    ]


def _known(image: Image, now: datetime) -> dict[str, Any]:
    path = f"/v2/images/{image.id}"
    return {
        "id": image.id,
        "name": image.name,
        "status": image.shown_status(now),
        "visibility": image.visibility,
        "protected": image.protected,
        "os_hidden": image.os_hidden,
        "owner": image.owner,
        "container_format": image.container_format,
        "disk_format": image.disk_format,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "checksum": image.checksum,
        "os_hash_algo": image.os_hash_algo,
        "os_hash_value": image.os_hash_value,
        "created_at": iso_time(image.created_at),
        "updated_at": iso_time(image.updated_at),
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
    }


def member_wire(member: ImageMember) -> dict[str, Any]:
    """One member of a shared image."""
    return {
        "image_id": member.image_id,
        "member_id": member.member_id,
        "status": member.status,
        "created_at": iso_time(member.created_at),
        "updated_at": iso_time(member.updated_at),
        "schema": "/v2/schemas/member",
    }
