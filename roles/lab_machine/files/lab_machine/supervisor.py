"""One process per machine that lets it reboot: systemd-nspawn alone ends when the machine does.

Runs until the machine is switched off from inside, from outside (SIGTERM to this process), or
ends by itself. A crash is not undone: a host that lost its power stays down until it is started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from . import cgroups, disk, links, process
from .definition import Lab, LabError, Machine

REBOOT_ASKED = 133  # systemd-nspawn --keep-unit, see EXIT_FORCE_RESTART in systemd's sources
SHUTDOWN_TIMEOUT_S = 30
LINKS_TIMEOUT_S = 20


def state_file(lab: Lab, machine: Machine) -> Path:
    """Where the supervisor writes down who it is, once the machine has its links."""
    return disk.folder(lab, machine) / "supervisor.json"


def log_file(lab: Lab, machine: Machine) -> Path:
    """What the machine's console and its supervisor said."""
    return disk.folder(lab, machine) / "console.log"


class Supervisor:
    """Keeps one machine going; one instance is one process."""

    def __init__(self, lab: Lab, machine: Machine, *, delegated: bool) -> None:
        self._lab = lab
        self._machine = machine
        self._delegated = delegated
        self._groups: list[Path] = []
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self) -> int:
        """Boot the machine until it is off; returns the exit status of this process."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGALRM, self._pull_the_plug)
        self._groups = cgroups.make(self._machine, self._delegated)
        code = REBOOT_ASKED
        while code == REBOOT_ASKED and not self._stopping:
            code = self._one_boot()
            self._say(f"machine {self._machine.name} ended with status {code}")
            if not self._delegated:  # a unit's processes end with it
                cgroups.kill(self._machine)
        state_file(self._lab, self._machine).unlink(missing_ok=True)
        return 0 if self._stopping or code == 0 else 1

    def _one_boot(self) -> int:
        links.remove_links(self._machine)
        child = self._child = subprocess.Popen(
            self._nspawn_command(), stdin=subprocess.DEVNULL, preexec_fn=self._enter_groups
        )
        if self._stopping:  # the signal may have come before there was a child to tell
            child.terminate()
        try:
            links.attach(self._lab, self._machine, lambda: child.poll() is None, LINKS_TIMEOUT_S)
            process.write(state_file(self._lab, self._machine), process.seen(os.getpid()))
        except LabError as error:
            self._say(str(error))
            if child.poll() is None:
                child.terminate()
        return child.wait()

    def _enter_groups(self) -> None:
        cgroups.enter(self._groups)

    def _nspawn_command(self) -> list[str]:
        extra = [f"--network-veth-extra={out}:{nic}" for out, nic in self._machine.links.items()]
        extra += [
            f"--bind={node}:{inside}"
            for node, inside in disk.devices(self._lab, self._machine).items()
        ]
        return [
            "systemd-nspawn",
            f"--directory={disk.root(self._lab, self._machine)}",
            f"--machine={self._machine.label}",
            f"--hostname={self._machine.name}",
            "--boot",
            "--keep-unit",
            "--register=no",
            "--settings=no",
            "--private-network",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--console=pipe",
            *extra,
        ]

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Switch the machine off in order; systemd-nspawn passes the wish on."""
        self._stopping = True
        signal.alarm(SHUTDOWN_TIMEOUT_S)
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()

    def _pull_the_plug(self, _signal: int, _frame: FrameType | None) -> None:
        self._say(f"machine {self._machine.name} is not off after {SHUTDOWN_TIMEOUT_S} s; killed")
        if self._child is not None and self._child.poll() is None:
            self._child.kill()

    def _say(self, text: str) -> None:
        print(time.strftime("%FT%T"), text, file=sys.stderr, flush=True)
