"""A server's disk is made without a look into what a tenant uploaded (invariant 10)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.host import disk_image
from ansible_collections.freehold.cloud.plugins.module_utils.host.image import inspect_disk

MIB = 1024**2


def told(disk: Path) -> dict[str, Any]:
    shown = subprocess.run(
        ["qemu-img", "info", "--output=json", str(disk)], check=True, capture_output=True
    )
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


@pytest.mark.parametrize("base_format", ["raw", "qcow2"])
def test_an_overlay_stands_on_its_image_in_the_format_that_was_said(
    tmp_path: Path, base_format: str
) -> None:
    base, disk = tmp_path / "base", tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", base_format, str(base), "1M"], check=True)
    disk_image.create_overlay(str(disk), str(base), base_format, 3 * MIB)
    found = told(disk)
    assert found["backing-filename"] == str(base)
    assert found["backing-filename-format"] == base_format
    seen = inspect_disk(str(disk))
    assert seen is not None
    assert seen.virtual_bytes == found["virtual-size"] == 3 * MIB


def test_the_image_is_opened_neither_for_making_nor_for_growing(tmp_path: Path) -> None:
    """No program could open this one as qcow2; it would say so."""
    base, disk = tmp_path / "base", tmp_path / "disk.qcow2"
    base.write_bytes(b"QFI\xfb and nothing that follows makes sense")
    opened = subprocess.run(["qemu-img", "info", "-f", "qcow2", str(base)], capture_output=True)
    assert opened.returncode != 0
    disk_image.create_overlay(str(disk), str(base), "qcow2", 2 * MIB)
    disk_image.grow(str(disk), 5 * MIB)
    found = told(disk)
    assert (found["virtual-size"], found["backing-filename"]) == (5 * MIB, str(base))


def test_what_a_disk_holds_is_there_after_growing(tmp_path: Path) -> None:
    base, disk = tmp_path / "base", tmp_path / "disk.qcow2"
    base.write_bytes(b"\x11" * MIB)
    disk_image.create_overlay(str(disk), str(base), "raw", MIB)
    subprocess.run(["qemu-io", "-c", "write -P 0x22 0 4k", str(disk)], check=True)
    disk_image.grow(str(disk), 2 * MIB)
    for pattern in ("-P 0x22 0 4k", "-P 0x11 4k 1020k", "-P 0 1M 1M"):
        read = subprocess.run(
            ["qemu-io", "-r", "-c", f"read {pattern}", str(disk)], capture_output=True, text=True
        )
        assert "Pattern verification failed" not in read.stdout, pattern
        assert read.returncode == 0, read.stderr
