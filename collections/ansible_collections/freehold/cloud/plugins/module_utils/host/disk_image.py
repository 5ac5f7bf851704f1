# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers' disks are made and grown without a look into the image under them.

This runs as root, and images are what tenants uploaded: ``qemu-img`` is kept from opening them
(no backing file is opened here) but for the copy of a guest that is off, which needs what is in
them. Otherwise only the guest's own QEMU reads one, as libvirt's unprivileged user. The image's
format is always said, never guessed: a guest that writes a qcow2 header into its raw disk must
not be believed.
"""

from __future__ import annotations

import json

from ansible_collections.freehold.cloud.plugins.module_utils.host.command import run_command


def create_overlay(path: str, base: str, base_format: str, size_bytes: int) -> None:
    """Make an empty qcow2 overlay on an image; ``-u`` leaves the image closed."""
    create = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", base_format, "-b", base]
    run_command([*create, path, str(size_bytes)])


def grow(path: str, size_bytes: int) -> None:
    """Grow an overlay that no guest is using; the image under it stays closed.

    An overlay is never smaller than its image, so what is added lies behind the image's end.
    """
    overlay = {
        "driver": "qcow2",
        "file": {"driver": "file", "filename": path},
        "backing": None,
    }
    run_command(["qemu-img", "resize", "-q", f"json:{json.dumps(overlay)}", str(size_bytes)])


def flatten(path: str, copy: str, timeout_s: float) -> None:
    """Copy an overlay that no guest is using and the image under it into one file."""
    run_command(["qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", path, copy], timeout_s)
