# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images on a host: fetched whole and checked, read as what an enemy may have written.

The header is read by this code and never by a tool: a qcow2 file that names a backing file or an
external data file would make QEMU open any file of the host.
Format: https://www.qemu.org/docs/master/interop/qcow2.html
"""

from __future__ import annotations

import hashlib
import os
import struct
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, BinaryIO

from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import (
    DiskSeen,
    ImageSeen,
)

_QCOW2_MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")  # the fields that versions 2 and 3 share, 72 bytes
_DIRTY, _CORRUPT, _EXTERNAL_DATA, _COMPRESSION, _EXTENDED_L2 = 1, 2, 4, 8, 16
_KNOWN_FEATURES = _DIRTY | _CORRUPT | _EXTERNAL_DATA | _COMPRESSION | _EXTENDED_L2
_EXTERNAL_DATA_EXTENSION = 0x44415441
_L1_LIMIT_BYTES = 32 * 1024 * 1024  # QEMU's own
_CHUNK = 1024 * 1024
_TIMEOUT_S = 30


def _refused(reason: str) -> CloudError:
    return CloudError("IMAGE_REFUSED", f"The image is refused: {reason}", "when_changed")


def inspect(file: BinaryIO) -> ImageSeen:
    """Read what a file is, from its header alone.

    Raises:
        CloudError: IMAGE_REFUSED, for a qcow2 file that asks for other files, is encrypted or
            corrupt, or uses features this code does not know.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_HEADER.size + 32)
    if not head.startswith(_QCOW2_MAGIC):
        return ImageSeen("raw", size, size)
    if len(head) < _HEADER.size:
        raise _refused("its qcow2 header is cut off")
    (_magic, version, backing, _length, cluster_bits, virtual_bytes, crypt, *tables) = (
        _HEADER.unpack_from(head)
    )
    if version not in (2, 3):
        raise _refused(f"its qcow2 version is {version}; 2 and 3 are known")
    if backing:
        raise _refused("it names a backing file")
    if crypt:
        raise _refused("it is encrypted")
    if not 9 <= cluster_bits <= 21:
        raise _refused(f"its clusters have 2^{cluster_bits} bytes")
    if version == 3:
        _check_version_3(file, head)
    _check_tables(tables, size, cluster_bits, virtual_bytes)
    return ImageSeen("qcow2", virtual_bytes, size)


def _check_tables(tables: list[int], size: int, cluster_bits: int, virtual_bytes: int) -> None:
    """Refuse what makes QEMU read, or reserve memory for, more than the disk needs."""
    entries, table_at, _refcounts, _refcount_clusters, snapshots, _snapshots_at = tables
    if snapshots:
        raise _refused("it has internal snapshots")
    if entries * 8 > _L1_LIMIT_BYTES:
        raise _refused(f"its L1 table of {entries} entries is larger than QEMU reads")
    if entries << (2 * cluster_bits - 3) < virtual_bytes:
        raise _refused("its L1 table is too small for its virtual size")
    if table_at + entries * 8 > size:
        raise _refused("its L1 table lies behind its end")


def _check_version_3(file: BinaryIO, head: bytes) -> None:
    if len(head) < 104:
        raise _refused("its qcow2 header is cut off")
    (features,) = struct.unpack_from(">Q", head, 72)
    (header_length,) = struct.unpack_from(">I", head, 100)
    if features & ~_KNOWN_FEATURES:
        raise _refused(f"it needs unknown features ({features:#x})")
    if features & _EXTERNAL_DATA:
        raise _refused("its data is in another file")
    if features & _CORRUPT:
        raise _refused("it is marked as corrupt")
    if _EXTERNAL_DATA_EXTENSION in _extensions(file, header_length):
        raise _refused("it names an external data file")


def _extensions(file: BinaryIO, at: int) -> set[int]:
    """Types of the header extensions, which follow the header until type 0."""
    types: set[int] = set()
    while len(types) < 64:
        file.seek(at)
        entry = file.read(8)
        if len(entry) < 8:
            return types
        kind, length = struct.unpack(">II", entry)
        if kind == 0:
            return types
        types.add(kind)
        at += 8 + (length + 7) // 8 * 8
    raise _refused("its header extensions do not end")


def inspect_path(path: str) -> ImageSeen | None:
    """What the cache holds at a path; None if there is nothing."""
    try:
        with open(path, "rb") as file:
            return inspect(file)
    except FileNotFoundError:
        return None


def inspect_disk(path: str) -> DiskSeen | None:
    """Read a disk that we made: its size, and the image that its backing file is.

    Raises:
        CloudError: DISK_DAMAGED, when it is no qcow2 file.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(_HEADER.size)
            if not head.startswith(_QCOW2_MAGIC) or len(head) < _HEADER.size:
                raise CloudError("DISK_DAMAGED", f"{path} has no qcow2 header; restore it")
            (_magic, _version, backing, backing_length, _bits, virtual_bytes, *_rest) = (
                _HEADER.unpack(head)
            )
            file.seek(backing)
            name = file.read(min(backing_length, 1023)).decode(errors="replace") if backing else ""
    except FileNotFoundError:
        return None
    return DiskSeen(virtual_bytes, os.path.basename(name))


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
                raise _refused(f"it is {seen.disk_format}, and registered as {want['disk_format']}")
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
