"""Image data on disk: written beside its place, hashed on the way, put in place when whole.

A file ``<images_dir>/<image id>`` is always complete and safe to boot. What an upload writes lies
in ``<image id>.<upload id>.part`` until then. Knows no table; all functions block.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from freehold.errors import Conflict, TooLarge, Unavailable
from freehold.image.format import HEADER_BYTES, Inspected, inspect

PART = ".part"
STALE_S = 3600
SWEPT = ".swept"
SWEEP_EVERY_S = 600


@dataclass(frozen=True)
class Described:
    """What the image's row says of its data."""

    size: int
    checksum: str
    sha512: str
    inspected: Inspected


class PartFile:
    """One upload on its way to disk.

    Args:
        images_dir: Where image data lies; made when it is missing, for the service alone.
        image_id: Of the image.
        upload_id: Of this upload.
        limit: Bytes that an image may have at most.
    """

    def __init__(self, images_dir: Path, image_id: str, upload_id: str, limit: int) -> None:
        images_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = images_dir / f"{image_id}.{upload_id}{PART}"
        self.place = images_dir / image_id
        self.limit = limit
        self.size = 0
        self._header = b""
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha512 = hashlib.sha512()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, data: bytes) -> None:
        """Add bytes at the end.

        Raises:
            TooLarge: More than ``limit``.
            Unavailable: The disk does not take it.
        """
        self.size += len(data)
        if self.size > self.limit:
            raise TooLarge(f"The image is larger than the {self.limit} bytes that are allowed.")
        if len(self._header) < HEADER_BYTES:
            self._header += data[: HEADER_BYTES - len(self._header)]
        self._md5.update(data)
        self._sha512.update(data)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise Unavailable(
                f"The image store cannot take the data: {error.strerror}. Tell the operator."
            ) from error

    def close(self, disk_format: str) -> Described:
        """Make the file safe on disk and say what it is.

        Raises:
            UnsupportedMediaType: It is not what the image declares, or must not be kept.
        """
        inspected = inspect(self._header, self.size, disk_format)
        os.fsync(self._file.fileno())
        self._file.close()
        return Described(self.size, self._md5.hexdigest(), self._sha512.hexdigest(), inspected)

    def put_in_place(self) -> None:
        """Rename the closed file to its place, also safe on disk.

        Raises:
            Conflict: The part file is gone: this upload was silent so long that it was swept away.
        """
        try:
            self.path.rename(self.place)
        except FileNotFoundError as error:
            raise Conflict("The upload took too long and was given up. Upload again.") from error
        directory = os.open(self.place.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def discard(self) -> None:
        """Remove what was written."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def sweep(
    images_dir: Path, now_s: float, deleted: Callable[[Collection[str]], Collection[str]]
) -> None:
    """Remove what a killed process left: stale parts, and data of images that were deleted.

    At most every ``SWEEP_EVERY_S``, whoever calls: it looks at every image there is.

    Args:
        images_dir: Where image data lies.
        now_s: The clock, seconds since the epoch.
        deleted: Which of these image ids were deleted. Files of unknown names are left alone.
    """
    marker = images_dir / SWEPT
    if not images_dir.is_dir() or now_s - _swept_at(marker) < SWEEP_EVERY_S:
        return
    marker.touch()
    os.utime(marker, (now_s, now_s))
    names = []
    for entry in os.scandir(images_dir):
        if entry.name == SWEPT:
            continue
        if not entry.name.endswith(PART):
            names.append(entry.name)
        elif _age_s(entry, now_s) > STALE_S:
            Path(entry.path).unlink(missing_ok=True)
    for name in deleted(names):
        (images_dir / name).unlink(missing_ok=True)


def _swept_at(marker: Path) -> float:
    try:
        return marker.stat().st_mtime
    except FileNotFoundError:
        return -math.inf


def _age_s(entry: os.DirEntry[str], now_s: float) -> float:
    try:
        return now_s - entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return 0.0
