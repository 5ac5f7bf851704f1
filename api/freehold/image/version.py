"""The Image API's version, its documents and the room's route table.

Glance raises its minor version when it gains a feature; 2.7 is the last one whose features are all
here. The documents have glance's form: one list, 300 at the root and 200 at ``/versions``.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from freehold.http import ApiVersion, Routes, version_routes

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


def _explicit(request: Request) -> JSONResponse:
    return JSONResponse(versions(request.app.state.config.public_url.rstrip("/")))


VERSION_ROUTES = version_routes(
    VERSION, listed=versions, single=versions, list_status=300, single_status=300
)
VERSION_ROUTES.policies[("GET", "/image/versions")] = None
VERSION_ROUTES.router.add_api_route(
    "/image/versions", _explicit, methods=["GET"], response_model=None, include_in_schema=False
)
