"""JSON schemas of what this API shows, which clients read to learn an image's attributes."""

from __future__ import annotations

from typing import Any

from freehold.http import Call, Routes
from freehold.image.format import CONTAINER_FORMATS, DISK_FORMATS
from freehold.image.image import STATUSES
from freehold.image.image_request import UUID

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _maybe(kind: str, description: str, **more: Any) -> Schema:
    return {"type": ["null", kind], "description": description, **more}


def _shown(schema: Schema) -> Schema:
    return {**schema, "readOnly": True}


IMAGE: Schema = {
    "id": _text("An identifier for the image", pattern=UUID),
    "name": _maybe("string", "Descriptive name for the image", maxLength=255),
    "status": _shown(_text("Status of the image", enum=list(STATUSES))),
    "visibility": _text(
        "Scope of image accessibility", enum=["community", "public", "private", "shared"]
    ),
    "protected": {"type": "boolean", "description": "If true, image will not be deletable."},
    "os_hidden": {
        "type": "boolean",
        "description": "If true, image will not appear in default image list response.",
    },
    "checksum": _shown(_maybe("string", "MD5 of the image's data", maxLength=32)),
    "os_hash_algo": _shown(_maybe("string", "Algorithm of os_hash_value", maxLength=64)),
    "os_hash_value": _shown(_maybe("string", "Digest of the image's data", maxLength=128)),
    "owner": _maybe("string", "Owner of the image", maxLength=255),
    "size": _shown(_maybe("integer", "Size of image file in bytes")),
    "virtual_size": _shown(_maybe("integer", "Virtual size of image in bytes")),
    "container_format": _maybe(
        "string", "Format of the container", enum=[None, *CONTAINER_FORMATS]
    ),
    "disk_format": _maybe("string", "Format of the disk", enum=[None, *DISK_FORMATS]),
    "created_at": _shown(_text("Date and time of image registration")),
    "updated_at": _shown(_text("Date and time of the last image modification")),
    "tags": {
        "type": "array",
        "description": "List of strings related to the image",
        "items": {"type": "string", "maxLength": 255},
    },
    "min_ram": {
        "type": "integer",
        "description": "Amount of ram (in MB) required to boot image.",
    },
    "min_disk": {
        "type": "integer",
        "description": "Amount of disk space (in GB) required to boot image.",
    },
    "self": _shown(_text("An image self url")),
    "file": _shown(_text("An image file url")),
    "schema": _shown(_text("An image schema url")),
}
MEMBER: Schema = {
    "image_id": _text("An identifier for the image", pattern=UUID),
    "member_id": _text("An identifier for the image member (tenantId)"),
    "status": _text("The status of this image member", enum=["pending", "accepted", "rejected"]),
    "created_at": _text("Date and time of image member creation"),
    "updated_at": _text("Date and time of last modification of image member"),
    "schema": _shown(_text("An image member schema url")),
}


def image_schema(call: Call) -> Schema:
    """One image; what is not named here is a free property, a text."""
    return {
        "name": "image",
        "properties": IMAGE,
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def images_schema(call: Call) -> Schema:
    """A list of images."""
    links = [
        {"rel": "first", "href": "{first}"},
        {"rel": "next", "href": "{next}"},
        {"rel": "describedby", "href": "{schema}"},
    ]
    paging = {"first": {"type": "string"}, "next": {"type": "string"}}
    return {"links": links, **_collection("images", image_schema(call), paging)}


def member_schema(call: Call) -> Schema:
    """One member of a shared image."""
    return {"name": "member", "properties": MEMBER}


def members_schema(call: Call) -> Schema:
    """A list of members."""
    links = [{"rel": "describedby", "href": "{schema}"}]
    return {"links": links, **_collection("members", member_schema(call), {})}


def _collection(name: str, item: Schema, paging: Schema) -> Schema:
    return {
        "name": name,
        "properties": {
            name: {"type": "array", "items": item},
            "schema": {"type": "string"},
            **paging,
        },
    }


def routes(table: Routes) -> None:
    """Add the routes of schemas."""
    for name, function in (
        ("image", image_schema),
        ("images", images_schema),
        ("member", member_schema),
        ("members", members_schema),
    ):
        table.add("GET", f"/schemas/{name}", function, policy="get_images")
