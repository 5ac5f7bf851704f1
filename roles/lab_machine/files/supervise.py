#!/usr/bin/env python3
"""Keeps one lab machine running: starts it, connects its cards, starts it again when it reboots.

Called by the module lab_machine with one JSON file that says what to run; ends when the machine powers off
or on SIGTERM (orderly power-off). nspawn with --keep-unit ends with status 133 when the machine wants a reboot
(systemd-nspawn(1), EXIT_FORCE_RESTART); everything else is an end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

REBOOT = 133
CGROUPS = Path("/sys/fs/cgroup")
V1_CONTROLLERS = ("systemd", "unified", "memory", "cpu", "cpuacct", "pids", "freezer", "blkio")


def enter_own_cgroups(name: str) -> None:
    """Leave the caller's control groups: machines that share them share their units' groups too."""
    if (CGROUPS / "cgroup.controllers").exists():
        groups = [CGROUPS / f"freehold-{name}"]
    else:
        groups = [
            CGROUPS / c / f"freehold-{name}" for c in V1_CONTROLLERS if (CGROUPS / c).is_dir()
        ]
    for group in groups:
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text(str(os.getpid()))


def command(machine: dict) -> list[str]:
    """The nspawn command line."""
    name = machine["name"]
    words = [
        "systemd-nspawn",
        f"--directory={machine['root']}",
        f"--machine={name}",
        "--register=no",
        "--keep-unit",
        "--console=pipe",
        "--boot",
        f"--network-bridge={machine['bridge']}",
    ]
    words += [f"--network-veth-extra={outside}:{inside}" for outside, inside in machine["cards"]]
    words += [f"--bind={path}" for path in machine["binds"] if os.path.exists(path)]
    return words


def connect(machine: dict, child: subprocess.Popen) -> None:
    """Put the outer ends on the bridge, without checksum offload (user-space Open vSwitch drops such packets)."""
    ends = [outside for outside, _ in machine["cards"]]
    deadline = time.monotonic() + 20
    for end in [*ends, f"vb-{machine['name']}"]:
        while not os.path.exists(f"/sys/class/net/{end}"):
            if child.poll() is not None or time.monotonic() > deadline:
                return
            time.sleep(0.02)
        if end in ends:
            subprocess.run(
                ["ip", "link", "set", end, "master", machine["bridge"], "up"], check=True
            )
        subprocess.run(["ethtool", "-K", end, "tx", "off"], check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Run the machine until it is off."""
    machine = json.loads(Path(sys.argv[1]).read_text())
    enter_own_cgroups(machine["name"])
    child: subprocess.Popen | None = None

    def power_off(_number: int, _frame: object) -> None:
        if child is not None and child.poll() is None:
            child.send_signal(signal.SIGTERM)
        else:
            sys.exit(0)

    signal.signal(signal.SIGTERM, power_off)
    while True:
        child = subprocess.Popen(command(machine), stdin=subprocess.DEVNULL)
        connect(machine, child)
        status = child.wait()
        print(f"supervise: {machine['name']} ended with {status}", flush=True)
        if status != REBOOT:
            return status


if __name__ == "__main__":
    sys.exit(main())
