# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a file in lines, for the price of the end."""

from __future__ import annotations

import os
from typing import BinaryIO

# What a console log request can bring back at most, whatever the number of lines.
LIMIT_BYTES = 1024 * 1024
_BLOCK = 64 * 1024


def last_lines(file: BinaryIO, lines: int | None, limit_bytes: int = LIMIT_BYTES) -> str:
    """The last ``lines`` lines (None: all), of at most the last ``limit_bytes`` bytes.

    A guest writes what it likes: bytes that are no UTF-8 come back as replacement characters.
    """
    at = file.seek(0, os.SEEK_END)
    first = max(0, at - limit_bytes)
    content = b""
    # One line break more than lines: the one before the first line that is wanted.
    while at > first and (lines is None or content.count(b"\n") <= lines):
        start = max(first, at - _BLOCK)
        file.seek(start)
        content = file.read(at - start) + content
        at = start
    if lines is not None:
        content = b"".join(_split(content)[-lines:]) if lines else b""
    return content.decode("utf-8", errors="replace")


def _split(content: bytes) -> list[bytes]:
    # bytes.splitlines would count a lone carriage return (a progress bar) as a line.
    parts = content.split(b"\n")
    ended, rest = parts[:-1], parts[-1]
    return [part + b"\n" for part in ended] + ([rest] if rest else [])
