"""A server's disk is made without a look into what a tenant uploaded (invariant 10)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
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
    seen = inspect_disk(str(disk), str(tmp_path))
    assert seen is not None
    assert seen.virtual_bytes == found["virtual-size"] == 3 * MIB


def test_the_image_is_opened_neither_for_making_nor_for_growing(tmp_path: Path) -> None:
    """No program could open this one as qcow2; it would say so."""
    base, disk = tmp_path / "base", tmp_path / "disk.qcow2"
    base.write_bytes(b"QFI\xfb and nothing that follows makes sense")
    opened = subprocess.run(["qemu-img", "info", "-f", "qcow2", str(base)], capture_output=True)
    assert opened.returncode != 0
    disk_image.create_overlay(str(disk), str(base), "qcow2", 2 * MIB)
    subprocess.run(disk_image.grow_command(str(disk), 5 * MIB), check=True)
    found = told(disk)
    assert (found["virtual-size"], found["backing-filename"]) == (5 * MIB, str(base))


def test_what_a_disk_holds_is_there_after_growing(tmp_path: Path) -> None:
    base, disk = tmp_path / "base", tmp_path / "disk.qcow2"
    base.write_bytes(b"\x11" * MIB)
    disk_image.create_overlay(str(disk), str(base), "raw", MIB)
    subprocess.run(["qemu-io", "-c", "write -P 0x22 0 4k", str(disk)], check=True)
    subprocess.run(disk_image.grow_command(str(disk), 2 * MIB), check=True)
    for pattern in ("-P 0x22 0 4k", "-P 0x11 4k 1020k", "-P 0 1M 1M"):
        read = subprocess.run(
            ["qemu-io", "-r", "-c", f"read {pattern}", str(disk)], capture_output=True, text=True
        )
        assert "Pattern verification failed" not in read.stdout, pattern
        assert read.returncode == 0, read.stderr


@pytest.mark.parametrize("base_format", ["raw", "qcow2"])
def test_a_copy_is_made_of_the_chain_that_was_said_whatever_the_header_says(
    tmp_path: Path, base_format: str
) -> None:
    """The header is rewritten to name another file; the copy has the image's bytes, not its."""
    plain, base, disk = tmp_path / "plain", tmp_path / "base", tmp_path / "disk.qcow2"
    plain.write_bytes(b"\x11" * MIB)
    make = ["qemu-img", "convert", "-f", "raw", "-O", base_format, str(plain), str(base)]
    subprocess.run(make, check=True)
    disk_image.create_overlay(str(disk), str(base), base_format, 2 * MIB)
    other = tmp_path / "secret"
    other.write_bytes(b"\x99" * MIB)
    rewrite = ["qemu-img", "rebase", "-q", "-u", "-F", "raw", "-b", str(other), str(disk)]
    subprocess.run(rewrite, check=True)
    overlay = disk_image.Overlay(str(disk), 2 * MIB, str(base), base_format)
    copy = tmp_path / "copy"
    subprocess.run(disk_image.flatten_command(overlay, str(copy)), check=True)
    assert "backing-filename" not in told(copy)
    compare = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(copy), str(tmp_path / "out")]
    subprocess.run(compare, check=True)
    assert (tmp_path / "out").read_bytes() == b"\x11" * MIB + bytes(MIB)


@pytest.mark.parametrize("name", ["/etc/shadow", "../images/x", "/elsewhere/base", "base", "nbd:x"])
def test_a_disk_whose_header_leads_out_of_the_images_is_refused(tmp_path: Path, name: str) -> None:
    disk = tmp_path / "disk.qcow2"
    disk_image.create_overlay(str(disk), name, "raw", MIB)
    with pytest.raises(CloudError, match="backing file that is none") as error:
        inspect_disk(str(disk), str(tmp_path))
    assert (error.value.code, error.value.retry) == ("DISK_REFUSED", "never")


def test_a_disk_that_keeps_its_data_elsewhere_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / "disk.qcow2"
    data = f"data_file={tmp_path}/data"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", data, str(disk), "1M"], check=True
    )
    with pytest.raises(CloudError, match="another file") as error:
        inspect_disk(str(disk), str(tmp_path))
    assert error.value.code == "DISK_REFUSED"


@pytest.mark.parametrize("size", [0, MIB, 10 * 1024**3])
def test_the_limit_of_a_copy_leaves_room_for_its_tables(size: int) -> None:
    measure = ["qemu-img", "measure", "-O", "qcow2", "--size", str(size), "--output=json"]
    needed = json.loads(subprocess.run(measure, check=True, capture_output=True).stdout)
    assert needed["fully-allocated"] <= disk_image.file_limit_bytes(size)
