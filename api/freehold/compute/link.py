"""Links of the Compute API: one that names the version, one that stays over versions."""

from __future__ import annotations

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
