"""The version endpoints of one API: the list at its root, the single document at its prefix.

Clients read these before they have a token, to find out which API lies behind a catalogue entry, so
they are public, read no headers, and never fail for a microversion. A room puts the result of
``version_routes`` among its ``ROUTES``; where its API has a form of its own it passes functions
from the public URL to a body.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from freehold.http.operation import Routes
from freehold.http.versions import ApiVersion

Document = Callable[[str], dict[str, Any]]
"""From the public URL (without a slash at its end) to a body."""


def version_routes(
    version: ApiVersion,
    *,
    listed: Document | None = None,
    single: Document | None = None,
    list_status: int = 200,
    single_status: int = 200,
) -> Routes:
    """Serve the version documents of ``version``, each with and without a trailing slash.

    For ``/compute/v2.1`` the list is at ``/compute`` and ``/compute/``, the single document at
    ``/compute/v2.1`` and ``/compute/v2.1/``.

    Args:
        version: Whose documents; its prefix has at least two segments.
        listed: Body of the list; default ``{"versions": [entry]}`` (compute, network, image).
        single: Body of the single document; default ``{"version": entry}`` (compute). Networking
            answers ``{"resources": […]}`` here.
        list_status: 300 for identity and image, 200 for the others.
        single_status: Status of the single document.
    """
    many = listed or (lambda url: {"versions": [version.document(url)]})
    one = single or (lambda url: {"version": version.document(url)})
    routes = Routes(version)
    root = version.prefix.rsplit("/", 1)[0]
    if not root:
        raise ValueError(f"{version.prefix} has no root of its own; '/' belongs to all APIs")
    for path, document, status in (
        (root, many, list_status),
        (version.prefix, one, single_status),
    ):
        for spelling in (path, f"{path}/"):
            routes.serve(VersionDocument(spelling, document, status))
    return routes


class VersionDocument:
    """Serves a document that follows from the public URL alone, to anybody."""

    method = "GET"

    def __init__(self, path: str, document: Document, status: int = 200) -> None:
        self.path = path
        self._document = document
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        url = scope["app"].state.config.public_url.rstrip("/")
        await JSONResponse(self._document(url), self._status)(scope, receive, send)
