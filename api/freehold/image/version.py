"""The Image API's version, its documents and the room's route table.

Glance raises its minor version when it gains a feature; 2.7 is the last one whose features are all
here. The documents have glance's form: one list, 300 at the root and 200 at ``/versions``.
"""

from __future__ import annotations

from typing import Any

from freehold.http import ApiVersion, Routes, VersionDocument, version_routes

MINOR = 7
VERSION = ApiVersion("image", f"v2.{MINOR}", "/image/v2", "2018-07-27T00:00:00Z")
TABLE = Routes(VERSION)


def versions(public_url: str) -> dict[str, Any]:
    """Every minor version, newest first; all are served by the same path."""
    links = [{"rel": "self", "href": f"{public_url}{VERSION.prefix}/"}]
    return {
        "versions": [
            {
                "id": f"v2.{minor}",
                "status": "CURRENT" if minor == MINOR else "SUPPORTED",
                "links": links,
            }
            for minor in range(MINOR, -1, -1)
        ]
    }


VERSION_ROUTES = version_routes(
    VERSION, listed=versions, single=versions, list_status=300, single_status=300
)
VERSION_ROUTES.serve(VersionDocument("/image/versions", versions))
