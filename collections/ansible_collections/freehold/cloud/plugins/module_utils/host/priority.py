# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host comes first: a guest's threads yield to the switch, to libvirt and to our own runs.

Where guests have a control group of their own (machine.slice) its weight decides between them and
the host, and nice changes nothing. In a container they share the host's, and without KVM each
booting guest takes a whole processor. There nice is not enough: a start is four hundred questions
and answers between libvirt and QEMU, and each would wait until some guest's slice is over.
"""

from __future__ import annotations

import contextlib
import os

GUEST_NICE = 10


def yield_to_host(pid: int) -> None:
    """Lower the priority of a process with all its threads; threads made later inherit it."""
    with contextlib.suppress(OSError):  # it may have ended already
        shared = _processor_group(pid) == _processor_group(os.getpid())
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(thread), GUEST_NICE)
                if shared:
                    # Runs when the host has nothing to do, and is put aside at once (sched(7)).
                    os.sched_setscheduler(int(thread), os.SCHED_IDLE, os.sched_param(0))


def _processor_group(pid: int) -> str:
    """The control group that shares out processors, in version 1 or 2 (cgroups(7))."""
    groups = dict(line.split(":", 2)[1:] for line in _read(f"/proc/{pid}/cgroup").splitlines())
    for controllers, group in groups.items():
        if "cpu" in controllers.split(","):
            return group
    return groups.get("", "")


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def process_of(domain_name: str) -> int | None:
    """The process of a running QEMU domain, as libvirt writes it down."""
    try:
        with open(f"/run/libvirt/qemu/{domain_name}.pid", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
