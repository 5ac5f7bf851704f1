# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images on a host: fetched whole and checked, read as what an enemy may have written.

The header is read by our own code (``disk_header``) and never by a tool.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, BinaryIO

from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.host import disk_header
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import (
    DiskSeen,
    ImageSeen,
)

_CHUNK = 1024 * 1024
_TIMEOUT_S = 30


def inspect(file: BinaryIO) -> ImageSeen:
    """Read what a file is, from its header alone.

    Raises:
        CloudError: IMAGE_REFUSED, for a file of a format that hosts do not boot, and a qcow2 file
            that asks for other files, is encrypted or corrupt, or uses unknown features.
    """
    try:
        header = disk_header.read(file)
        if header.backing_file:
            raise disk_header.Refused("it names a backing file")
    except disk_header.Refused as error:
        raise CloudError(
            "IMAGE_REFUSED", f"The image is refused: {error}", "when_changed"
        ) from None
    return ImageSeen(header.disk_format, header.virtual_bytes, header.size_bytes)


def inspect_path(path: str) -> ImageSeen | None:
    """What the cache holds at a path; None if there is nothing."""
    try:
        with open(path, "rb") as file:
            return inspect(file)
    except FileNotFoundError:
        return None


def inspect_disk(path: str, images: str) -> DiskSeen | None:
    """Read a disk that we made: its size, and the image in the folder ``images`` it stands on.

    The guest's QEMU writes this file while it runs, so its header is no more believed than an
    image's: whoever broke out of a guest into its QEMU could name any file of the host in it.

    Raises:
        CloudError: DISK_DAMAGED, when it is no qcow2 file; DISK_REFUSED, when its header asks for
            what we never write there.
    """
    try:
        with open(path, "rb") as file:
            header = disk_header.read(file)
    except FileNotFoundError:
        return None
    except disk_header.Refused as error:
        raise _disk_refused(path, str(error)) from None
    if header.disk_format != "qcow2":
        raise CloudError("DISK_DAMAGED", f"{path} has no qcow2 header; restore it")
    folder, image_id = os.path.split(header.backing_file)
    if image_id and (folder != os.path.normpath(images) or image_id.startswith(".")):
        raise _disk_refused(path, "it names a backing file that is none of the host's images")
    return DiskSeen(header.virtual_bytes, image_id)


def _disk_refused(path: str, reason: str) -> CloudError:
    message = f"The disk {path} is refused: {reason}. Nothing opened it; restore or delete it"
    return CloudError("DISK_REFUSED", message, "never")


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to a place that the document does not name."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def fetch(want: Mapping[str, Any], path: str) -> None:
    """Fetch an image to ``path``; it appears there whole and checked, or not at all.

    Raises:
        CloudError: IMAGE_UNREACHABLE, IMAGE_DIFFERS (from its checksum or size) or IMAGE_REFUSED.
    """
    part = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.part")
    try:
        with open(part, "w+b") as file:
            _download(want, file)
            seen = inspect(file)
            if seen.disk_format != want["disk_format"]:
                raise CloudError(
                    "IMAGE_REFUSED",
                    f"The image is refused: it is {seen.disk_format}, and registered as "
                    f"{want['disk_format']}",
                    "when_changed",
                )
            os.fsync(file.fileno())
        os.chmod(part, 0o644)
        os.rename(part, path)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _download(want: Mapping[str, Any], file: BinaryIO) -> None:
    url = want["url"]
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise CloudError("IMAGE_UNREACHABLE", "The image's URL is neither http nor https", "never")
    headers = {"Authorization": f"Bearer {want['token']}"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked above
    opener = urllib.request.build_opener(NoRedirects, urllib.request.ProxyHandler({}))
    hashed = hashlib.new(want["checksum"]["algorithm"], usedforsecurity=False)
    size = 0
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            while chunk := response.read(_CHUNK):
                size += len(chunk)
                if size > want["size_bytes"]:
                    break
                hashed.update(chunk)
                file.write(chunk)
    except (urllib.error.URLError, OSError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise CloudError("IMAGE_UNREACHABLE", f"{url} cannot be read: {error}", "later") from None
    if size != want["size_bytes"]:
        more = "more" if size > want["size_bytes"] else f"{size}"
        raise CloudError(
            "IMAGE_DIFFERS",
            f"{url} has {more} bytes instead of {want['size_bytes']}; upload the image again",
            "later",
        )
    if hashed.hexdigest() != want["checksum"]["value"].lower():
        raise CloudError(
            "IMAGE_DIFFERS",
            f"{url} has another {want['checksum']['algorithm']} checksum than registered; "
            "upload the image again",
            "later",
        )
