"""Image data on disk is whole or not there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

import pytest

from freehold.errors import Conflict, TooLarge, UnsupportedMediaType
from freehold.image.data_file import STALE_S, SWEEP_EVERY_S, SWEPT, PartFile, sweep

DATA = b"boot sector" * 1000


def _part(folder: Path, limit: int = 1 << 20) -> PartFile:
    return PartFile(folder / "images", "image", "upload", limit)


def test_data_is_described_and_put_in_place(tmp_path: Path) -> None:
    part = _part(tmp_path)
    for at in range(0, len(DATA), 700):
        part.write(DATA[at : at + 700])
    described = part.close("raw")
    assert not part.place.exists()
    part.put_in_place()
    assert part.place.read_bytes() == DATA
    assert described.size == described.inspected.virtual_size == len(DATA)
    assert described.checksum == hashlib.md5(DATA).hexdigest()
    assert described.sha512 == hashlib.sha512(DATA).hexdigest()
    assert [entry.name for entry in (tmp_path / "images").iterdir()] == ["image"]


def test_only_the_service_can_read_it(tmp_path: Path) -> None:
    part = _part(tmp_path)
    part.close("raw")
    part.put_in_place()
    assert part.place.stat().st_mode & 0o777 == 0o600
    assert part.place.parent.stat().st_mode & 0o777 == 0o700


def test_one_byte_over_the_limit_is_too_large(tmp_path: Path) -> None:
    part = _part(tmp_path, limit=10)
    part.write(b"x" * 10)
    with pytest.raises(TooLarge, match="10 bytes"):
        part.write(b"x")
    part.discard()


def test_a_refused_or_discarded_upload_leaves_nothing(tmp_path: Path) -> None:
    part = _part(tmp_path)
    part.write(b"QFI\xfb hidden in a raw image")
    with pytest.raises(UnsupportedMediaType):
        part.close("raw")
    part.discard()
    part.discard()
    assert list((tmp_path / "images").iterdir()) == []


def test_an_upload_that_was_swept_away_says_so(tmp_path: Path) -> None:
    part = _part(tmp_path)
    part.close("raw")
    part.path.unlink()
    with pytest.raises(Conflict, match="Upload again"):
        part.put_in_place()


def test_sweeping_takes_what_is_stale_or_deleted_and_nothing_else(tmp_path: Path) -> None:
    now = 1_000_000.0
    ages = {"a.old.part": STALE_S + 1, "a.new.part": STALE_S - 1, "kept": 1e5, "deleted": 1e5}
    for name, age in ages.items():
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (now - age, now - age))
    asked: list[str] = []

    def deleted(names: Collection[str]) -> Collection[str]:
        asked.extend(names)
        return ["deleted"]

    sweep(tmp_path, now, deleted)
    assert sorted(asked) == ["deleted", "kept"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [SWEPT, "a.new.part", "kept"]
    sweep(tmp_path, now + SWEEP_EVERY_S - 1, deleted)
    assert sorted(asked) == ["deleted", "kept"], "an upload does not look at every image"
    sweep(tmp_path, now + SWEEP_EVERY_S, deleted)
    assert sorted(asked) == ["deleted", "kept", "kept"]


def test_sweeping_before_the_first_upload_is_fine(tmp_path: Path) -> None:
    sweep(tmp_path / "none", 0.0, lambda names: names)
