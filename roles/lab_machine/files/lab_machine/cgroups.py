"""A machine's own control groups.

Why they matter: systemd-nspawn puts a machine into a group ``payload`` below its caller's group.
Machines with one caller would share it, and one machine's systemd would wait for another's
processes. A group per machine also says exactly which processes are the machine's.

Works on version 1, hybrid and version 2. Where systemd runs the computer, the supervisor is a unit
of its own with a delegated group, and the machine's group lies in that; else it lies at the root.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from .definition import LabError, Machine

TOP = "freehold-lab"
# These need settings before a process may enter, and nothing here limits processors or devices.
UNUSED = {"cpuset", "devices"}


def mounts() -> list[tuple[Path, bool, str]]:
    """The mounted hierarchies: (path, whether version 2, controllers or name)."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        path = Path(before.split()[4])
        if kind == "cgroup2":
            found.append((path, True, ""))
        elif kind == "cgroup" and not UNUSED & set(options.split(",")):
            found.append((path, False, options))
    return found


def groups(machine: Machine) -> list[Path]:
    """The machine's groups at the root, one in each hierarchy, whether they exist or not."""
    return [path / TOP / machine.label for path, _, _ in mounts()]


def make(machine: Machine, delegated: bool) -> list[Path]:
    """Make the machine's groups and return them; a process enters by writing to each.

    Args:
        machine: Whose groups.
        delegated: Whether this process is in a group that systemd gave to it.
    """
    if delegated:
        return _make_inside_own_group()
    made = groups(machine)
    for group in made:
        group.mkdir(parents=True, exist_ok=True)
    return made


def enter(made: list[Path]) -> None:
    """Move this process into groups; called between fork and exec."""
    for group in made:
        (group / "cgroup.procs").write_text(str(os.getpid()))


def _make_inside_own_group() -> list[Path]:
    made = []
    own: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, inner = line.split(":", 2)
        own[controllers.removeprefix("name=")] = inner.removesuffix("/supervisor")
    for path, version_2, options in mounts():
        name = "" if version_2 else "systemd"
        # Of version 1 only systemd's own hierarchy is delegated for sure.
        if not version_2 and "name=systemd" not in options:
            continue
        parent = path / own[name].lstrip("/")
        for child in ("supervisor", "machine"):
            (parent / child).mkdir(exist_ok=True)
        # A group of version 2 with children that have controllers holds no processes itself.
        enter([parent / "supervisor"])
        _offer_controllers(parent)
        made.append(parent / "machine")
    return made


def _offer_controllers(parent: Path) -> None:
    """Give the groups below the controllers of version 2, as far as the kernel lets us."""
    available = parent / "cgroup.controllers"
    if not available.exists():
        return
    for controller in available.read_text().split():
        with contextlib.suppress(OSError):
            (parent / "cgroup.subtree_control").write_text(f"+{controller}")


def processes(machine: Machine) -> set[int]:
    """All processes in the machine's groups."""
    found: set[int] = set()
    for group in groups(machine):
        for procs in group.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in procs.read_text().split())
    return found


def kill(machine: Machine, timeout_s: float = 10) -> list[str]:
    """End every process in the machine's groups, and nothing else; returns what was done.

    Raises:
        LabError: A process does not end, as happens when it waits for a dead disk.
    """
    deadline = time.monotonic() + timeout_s
    killed = False
    while pids := processes(machine):
        if time.monotonic() > deadline:
            raise LabError(
                f"machine {machine.name}: processes {sorted(pids)} do not end; look at "
                "/proc/<id>/stack for what they wait for, or restart the computer"
            )
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed = True
        time.sleep(0.05)
    return [f"processes of machine {machine.name} ended"] if killed else []


def remove(machine: Machine, timeout_s: float = 5) -> list[str]:
    """Remove the machine's empty groups; returns what was done.

    The kernel needs a moment between the end of a process and an empty group.
    """
    removed = False
    for group in groups(machine):
        deadline = time.monotonic() + timeout_s
        while group.exists():
            for folder in sorted((p for p in group.rglob("*") if p.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            with contextlib.suppress(OSError):
                group.rmdir()
            removed = True
            if group.exists() and time.monotonic() > deadline:
                raise LabError(f"control group {group} cannot be removed; what is in it?")
            time.sleep(0.02)
        with contextlib.suppress(OSError):
            group.parent.rmdir()
    return [f"control groups of machine {machine.name} removed"] if removed else []
