"""A guest's threads yield to the host."""

from __future__ import annotations

import os
import subprocess
import sys

from ansible_collections.freehold.cloud.plugins.module_utils.host import priority

TWO_THREADS = """
import threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""


def test_all_threads_of_a_guest_yield_to_the_host() -> None:
    command = [sys.executable, "-c", TWO_THREADS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as guest:
        assert guest.stdout is not None
        assert guest.stdout.readline() == "ready\n"
        priority.yield_to_host(guest.pid)
        threads = [int(name) for name in os.listdir(f"/proc/{guest.pid}/task")]
        found = {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}
        # Started by us, it shares our control group.
        policies = {os.sched_getscheduler(thread) for thread in threads}
        guest.kill()
    assert len(threads) == 2
    assert found == {priority.GUEST_NICE}
    assert policies == {os.SCHED_IDLE}


def test_a_guest_that_ended_meanwhile_is_no_error() -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
        priority.yield_to_host(gone.pid)
    assert priority.process_of("fh-nobody") is None
