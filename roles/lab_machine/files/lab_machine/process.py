"""Processes that outlive the one that started them, told apart from strangers with the same id."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process as it was seen: an id alone says nothing once the process is gone.

    The kernel gives ids again; with the start time (proc(5), field 22) and the id of the
    computer's boot a stale file can never name somebody else's process.
    """

    pid: int
    start_ticks: int
    boot_id: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return seen(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is still the same one."""
        if self.alive:
            os.kill(self.pid, number)

    def gone_within(self, timeout_s: float) -> bool:
        """Wait for the end of a process that is not our child."""
        deadline = time.monotonic() + timeout_s
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def seen(pid: int) -> Process | None:
    """Look at a process now; None if there is none, or only its remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is a name in parentheses that may hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Process(pid, int(fields[19]), boot_id)


def write(path: Path, process: Process | None) -> None:
    """Keep a process for a later reader, in one step."""
    if process is None:
        path.unlink(missing_ok=True)
        return
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(process)))
    draft.replace(path)


def read(path: Path) -> Process | None:
    """The process kept in a file, if it is still that process; leftovers count as none."""
    try:
        process = Process(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return process if process.alive else None
