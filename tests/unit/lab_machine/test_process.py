"""A kept process is the one that was seen, never a stranger with its id."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_machine import process


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing, by a name that is hard to parse."""
    with subprocess.Popen(["bash", "-c", "exec -a ') S (' sleep 60"]) as child:
        yield child
        child.kill()


def kept(path: Path, pid: int) -> process.Process:
    seen = process.seen(pid)
    assert seen is not None
    process.write(path, seen)
    return seen


def test_a_living_process_is_found_again(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    seen = kept(tmp_path / "kept.json", sleeper.pid)
    assert process.read(tmp_path / "kept.json") == seen


def test_a_process_that_has_ended_is_not_found(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    seen = kept(tmp_path / "kept.json", sleeper.pid)
    seen.signal(signal.SIGKILL)
    assert seen.gone_within(5)  # still a zombie of ours, which does not count as alive
    assert process.read(tmp_path / "kept.json") is None


@pytest.mark.parametrize("stale", [{"start_ticks": 1}, {"boot_id": "an earlier boot"}])
def test_a_stranger_with_the_same_id_is_neither_found_nor_signalled(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], stale: dict[str, object]
) -> None:
    seen = process.seen(sleeper.pid)
    assert seen is not None
    earlier = dataclasses.replace(seen, **stale)  # type: ignore[arg-type]
    process.write(tmp_path / "kept.json", earlier)
    assert process.read(tmp_path / "kept.json") is None
    earlier.signal(signal.SIGKILL)
    assert sleeper.poll() is None


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"pid": 1}'])
def test_a_file_that_was_cut_off_names_no_process(tmp_path: Path, content: str) -> None:
    (tmp_path / "kept.json").write_text(content)
    assert process.read(tmp_path / "kept.json") is None


def test_this_process_is_alive() -> None:
    assert process.seen(os.getpid()) is not None
