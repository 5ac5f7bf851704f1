"""Links of the Compute API: one that names the version, one that stays over versions."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from freehold.http import Call


def links(call: Call, kind: str, resource_id: str) -> list[dict[str, str]]:
    """``self`` (with the API's version) and ``bookmark`` (without)."""
    return [
        {"rel": "self", "href": call.url(f"/compute/v2.1/{kind}/{resource_id}")},
        bookmark(call, kind, resource_id),
    ]


def bookmark(call: Call, kind: str, resource_id: str) -> dict[str, str]:
    """The link that stays over versions."""
    return {"rel": "bookmark", "href": call.url(f"/compute/{kind}/{resource_id}")}


def next_page(call: Call, name: str, path: str, marker: str) -> dict[str, Any]:
    """The link to the next page of the list at ``path``, with the same filters and order."""
    asked = call.request.query_params.multi_items()
    query = urlencode(
        [*((key, value) for key, value in asked if key != "marker"), ("marker", marker)]
    )
    href = call.url(f"/compute/v2.1{path}?{query}")
    return {name: [{"rel": "next", "href": href}]}
