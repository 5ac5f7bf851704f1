# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server's disk on its way to the image service: asked for by URL, uploaded to the same URL."""

from __future__ import annotations

import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.host.image import NoRedirects
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import SnapshotSeen

COPY_TIMEOUT_S = 240
_TIMEOUT_S = 60
_NO_DATA_YET = 409


def look(want: Mapping[str, Any]) -> SnapshotSeen:
    """Ask whether the image has its data: 204 says yes, 409 not yet."""
    try:
        status = _ask("GET", want)
    except CloudError as error:
        return SnapshotSeen(False, error)
    return SnapshotSeen(status != _NO_DATA_YET)


def upload(want: Mapping[str, Any], path: str) -> None:
    """Send the file.

    Raises:
        CloudError: IMAGE_UNREACHABLE, or UPLOAD_REFUSED with the service's own words.
    """
    with open(path, "rb") as file:
        status = _ask("PUT", want, file, os.path.getsize(path))
    if status == _NO_DATA_YET:
        raise CloudError(
            "UPLOAD_REFUSED", f"Another upload to image {want['id']} is under way", "later"
        )


def _ask(method: str, want: Mapping[str, Any], body: Any = None, size: int = 0) -> int:
    url = want["url"]
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise CloudError("IMAGE_UNREACHABLE", "The image's URL is neither http nor https", "never")
    headers = {"Authorization": f"Bearer {want['token']}"}
    if body is not None:
        headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - checked above
    opener = urllib.request.build_opener(NoRedirects, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        said = error.read(500).decode(errors="replace")
        error.close()
        if error.code == _NO_DATA_YET:
            return _NO_DATA_YET
        message = f"The image service answers {error.code} at {url}: {said}"
        retry = "later" if error.code >= 500 else "never"
        raise CloudError("UPLOAD_REFUSED", message, retry) from None
    except (urllib.error.URLError, OSError) as error:
        message = f"The image service does not answer at {url}: {error}"
        raise CloudError("IMAGE_UNREACHABLE", message, "later") from None
