"""The config drive as a guest reads it, and the end of a console log."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.host import config_drive
from ansible_collections.freehold.cloud.plugins.module_utils.host.actions import Folders
from ansible_collections.freehold.cloud.plugins.module_utils.host.console import last_lines
from hypothesis import given
from hypothesis import strategies as st


def test_a_guest_reads_what_the_document_says(tmp_path: Path) -> None:
    drive = {
        "meta_data": {"name": "{{ 7 * 7 }} 😀", "public_keys": {"k": "ssh-ed25519 AAAA\n"}},
        "network_data": {"links": []},
        "user_data": base64.b64encode(b"#!/bin/sh\n\xff\x00").decode(),
    }
    config_drive.write_drive(drive, str(tmp_path / "config.iso"))

    def read(name: str) -> bytes:
        command = ["isoinfo", "-R", "-x", f"/openstack/latest/{name}", "-i", "config.iso"]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout

    assert json.loads(read("meta_data.json")) == drive["meta_data"]
    assert json.loads(read("network_data.json")) == drive["network_data"]
    assert read("user_data") == b"#!/bin/sh\n\xff\x00"
    label = subprocess.run(
        ["isoinfo", "-d", "-i", "config.iso"], cwd=tmp_path, check=True, capture_output=True
    )
    assert b"Volume id: config-2" in label.stdout
    assert [one.name for one in tmp_path.iterdir()] == ["config.iso"], "working files are left"
    assert (tmp_path / "config.iso").stat().st_mode & 0o777 == 0o600


def test_user_data_that_is_no_base64_is_told() -> None:
    with pytest.raises(CloudError, match="base64") as error:
        config_drive.files_of({"meta_data": {}, "network_data": {}, "user_data": "%%%"})
    assert error.value.retry == "when_changed"


def test_what_killed_runs_left_half_done_is_swept_away(tmp_path: Path) -> None:
    kept = ["images/tiny", "servers/a/disk.qcow2", "servers/a/config.iso", "servers/b/disk.part"]
    swept = ["images/.tiny.part", "servers/a/disk.qcow2.part", "servers/a/snapshot-1.part"]
    working = "servers/a/.drive-x1/drive/user_data"
    for name in (*kept, *swept, working):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    Folders(str(tmp_path)).sweep(["a", "never-here"])
    left = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(kept)
    assert not (tmp_path / "servers/a/.drive-x1").exists()


@given(
    st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b""))), st.integers(0, 9)
)
def test_the_last_lines_are_what_tail_says(lines: list[bytes], count: int) -> None:
    content = b"".join(line + b"\n" for line in lines)
    expected = b"".join(line + b"\n" for line in lines[len(lines) - min(count, len(lines)) :])
    assert last_lines(io.BytesIO(content), count) == expected.decode(errors="replace")
    assert last_lines(io.BytesIO(content), None) == content.decode(errors="replace")


def test_a_long_log_is_read_from_its_end() -> None:
    content = b"".join(b"line %d\n" % number for number in range(100_000))
    assert last_lines(io.BytesIO(content), 2) == "line 99998\nline 99999\n"
    assert last_lines(io.BytesIO(content + b"half"), 2) == "line 99999\nhalf"
    assert len(last_lines(io.BytesIO(content), None, limit_bytes=100)) == 100
