# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host comes first: a guest's threads yield to the switch, to libvirt and to our own runs.

Where guests have a control group of their own (machine.slice) its weight decides between them and
the host, and this changes nothing. In a container they share one, and without KVM each booting
guest takes a whole processor: the start of the next would wait behind all of them.
"""

from __future__ import annotations

import contextlib
import os

GUEST_NICE = 10


def yield_to_host(pid: int) -> None:
    """Lower the priority of a process with all its threads; threads made later inherit it."""
    with contextlib.suppress(OSError):  # it may have ended already
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(thread), GUEST_NICE)


def process_of(domain_name: str) -> int | None:
    """The process of a running QEMU domain, as libvirt writes it down."""
    try:
        with open(f"/run/libvirt/qemu/{domain_name}.pid", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
