"""Servers as processes of their own, started, awaited and ended; what memory they hold."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.load import Connection

START_S = 60


@contextmanager
def serving(command: Sequence[str], port: int, environ: Mapping[str, str]) -> Iterator[int]:
    """Run a Python module as a server on a loopback port; gives its process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env=os.environ | dict(environ),
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        _await(process, port)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        with suppress(OSError):
            Connection(port).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"no server listens on port {port} after {START_S} s")


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, its children not counted (proc(5), ``stat``)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Resident memory of a process (``Rss`` of ``smaps_rollup``), its children not counted."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} tells no Rss")
