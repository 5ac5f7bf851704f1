# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers' disks are made, grown and copied; what a tenant can write is opened in a jail only.

Images are what tenants uploaded, and a disk is what a guest's QEMU wrote. An overlay is made with
its image closed; growing and copying read a disk, and are jailed. Each file and its format is
always said, never guessed and never taken from a header: a guest that writes a qcow2 header into
its raw disk must not be believed. Otherwise only the guest's own QEMU reads disks and images, as
libvirt's unprivileged user.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.host.command import run_command
from ansible_collections.freehold.cloud.plugins.module_utils.host.jail import Reach, run_jailed


@dataclass(frozen=True)
class Overlay:
    """A server's disk as its header was read, and the image that it stands on."""

    path: str
    virtual_bytes: int
    base: str
    base_format: str


def create_overlay(path: str, base: str, base_format: str, size_bytes: int) -> None:
    """Make an empty qcow2 overlay on an image; ``-u`` leaves the image closed."""
    create = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", base_format, "-b", base]
    run_command([*create, path, str(size_bytes)])


def grow(path: str, size_bytes: int) -> None:
    """Grow an overlay that no guest is using; the image under it stays closed."""
    run_jailed(grow_command(path, size_bytes), Reach(changed=(path,)), file_limit_bytes(size_bytes))


def flatten(source: Overlay, copy: str, timeout_s: float) -> None:
    """Copy an overlay that no guest is using and the image under it into one new file."""
    with open(copy, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
    run_jailed(
        flatten_command(source, copy),
        Reach(read=(source.path, source.base), changed=(copy,)),
        file_limit_bytes(source.virtual_bytes),
        timeout_s,
    )


def grow_command(path: str, size_bytes: int) -> list[str]:
    """An overlay is never smaller than its image, so what is added lies behind the image's end."""
    overlay = _node("qcow2", path) | {"backing": None}
    return ["qemu-img", "resize", "-q", _said(overlay), str(size_bytes)]


def flatten_command(source: Overlay, copy: str) -> list[str]:
    """Says the whole chain, so what the overlay's header says of it is not asked for."""
    base = _node(source.base_format, source.base)
    if source.base_format == "qcow2":
        base |= {"backing": None}
    chain = _node("qcow2", source.path) | {"backing": base}
    return ["qemu-img", "convert", "-O", "qcow2", _said(chain), copy]


def file_limit_bytes(size_bytes: int) -> int:
    """How long a qcow2 file of a disk of this size may become, its own tables included."""
    return size_bytes + size_bytes // 512 + 16 * 1024**2


def _node(driver: str, path: str) -> dict[str, Any]:
    return {"driver": driver, "file": {"driver": "file", "filename": path}}


def _said(node: dict[str, Any]) -> str:
    return f"json:{json.dumps(node)}"
