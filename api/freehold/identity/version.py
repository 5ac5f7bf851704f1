"""The Identity API's version and its documents (API reference, "API versions")."""

from __future__ import annotations

from typing import Any

from freehold.http import ApiVersion, version_routes

VERSION = ApiVersion("identity", "v3.14", "/identity/v3", "2020-04-07T00:00:00Z")


def entry(public_url: str) -> dict[str, Any]:
    """The one version, as keystone writes it."""
    media = {
        "base": "application/json",
        "type": "application/vnd.openstack.identity-v3+json",
    }
    return {**VERSION.document(public_url, status="stable"), "media-types": [media]}


VERSION_ROUTES = version_routes(
    VERSION,
    listed=lambda url: {"versions": {"values": [entry(url)]}},
    single=lambda url: {"version": entry(url)},
    list_status=300,
)
