"""The lab's machines behave like hosts, survive killed runs, and go without a trace.

Uses a small lab of its own beside the one of the other tests.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab import CHECKOUT, run, until

NAME = "e2"
HOSTS = {"control": "10.78.0.10", "hv1": "10.78.0.11"}
FOLDER = Path("/var/lib/freehold-lab/labs", NAME)
MINE = {
    "FREEHOLD_LAB_PREFIX": NAME,
    "FREEHOLD_LAB_NETWORK": "10.78.0.0/24",
    "FREEHOLD_LAB_HYPERVISORS": "1",
}


def play(*words: str) -> str:
    """Run the lab's playbook; gives the recap's line of the computer."""
    command = (".venv/bin/ansible-playbook", "-i", "inventories/lab", "playbooks/lab.yml", *words)
    told = run(*command, env=MINE, timeout=400).stdout
    return next(line for line in told.splitlines() if line.startswith("computer "))


def program(*words: str) -> str:
    """Run the role's program on this lab."""
    place = {"PYTHONPATH": str(CHECKOUT / "roles/lab_machine/files")}
    return run(
        sys.executable, "-m", "lab_machine", "--lab", str(FOLDER / "lab.json"), *words, env=place
    ).stdout


def shell(machine: str, script: str) -> str | None:
    """Run a script on a machine; None if it does not answer."""
    options = ("-o", f"UserKnownHostsFile=.lab/known_hosts-{NAME}", "-o", "ConnectTimeout=2")
    words = ("ssh", "-i", ".lab/id_ed25519", "-o", "BatchMode=yes", *options)
    done = run(*words, f"root@{HOSTS[machine]}", script, check=False, timeout=60)
    return done.stdout if done.returncode == 0 else None


def traces() -> list[str]:
    """Everything of this lab on the computer."""
    found = [f"link {p.name}" for p in Path("/sys/class/net").glob(f"{NAME}*")]
    mounts = Path("/proc/mounts").read_text().splitlines()
    found += [f"mount {line}" for line in mounts if str(FOLDER) in line]
    found += [f"group {p}" for p in Path("/sys/fs/cgroup").glob(f"**/*{NAME}-*")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(FOLDER).encode() in words:
            found.append(f"process {words!r}")
    places = [FOLDER, *Path("/run/systemd/nspawn").glob(f"*/{NAME}-*")]
    places += [Path(f".lab/known_hosts-{NAME}")]
    return found + [f"file {place}" for place in places if place.exists()]


def keeper(machine: str) -> int:
    """The process id of a machine's supervisor."""
    return int(json.loads((FOLDER / "machines" / machine / "supervisor.json").read_text())["pid"])


@pytest.fixture(scope="module")
def lab() -> Iterator[None]:
    """Two machines that answer over ssh."""
    assert "failed=0" in play()
    yield
    play("-e", "lab_machine_state=absent")


@pytest.mark.usefixtures("lab")
class TestMachines:
    """In the order in which they stand; the last one removes the lab."""

    def test_made_again_nothing_changes(self) -> None:
        assert "changed=0" in play()

    def test_a_machine_is_a_plain_host_with_nics_and_nothing_of_the_cloud_running(self) -> None:
        until("booted", lambda: shell("hv1", "systemctl is-system-running") == "running\n")
        assert shell("hv1", "hostname") == "hv1\n"
        told = shell("hv1", "ip -brief link show up | cut -d@ -f1 | awk '{print $1}'")
        assert told is not None
        assert {"host0", "tun0", "ext0"} <= set(told.split())
        units = "openvswitch-switch ovn-central ovn-host libvirtd"
        assert shell("hv1", f"systemctl is-active {units} || true") == "inactive\n" * 4

    def test_a_reboot_comes_back_with_disk_identity_and_links(self) -> None:
        before = shell("hv1", "touch /root/kept; sync; cat /etc/machine-id")
        booted = shell("hv1", "systemctl show --property=UserspaceTimestampMonotonic")
        shell("hv1", "systemctl reboot")
        asked = "systemctl show --property=UserspaceTimestampMonotonic"
        until("rebooted", lambda: shell("hv1", asked) not in (None, booted), within_s=30)
        assert shell("hv1", "ls /root/kept; cat /etc/machine-id") == f"/root/kept\n{before}"
        ports = {p.name for p in Path(f"/sys/class/net/{NAME}lab0/brif").iterdir()}
        assert {f"{NAME}-hv1-ho", f"{NAME}-hv1-tu", f"{NAME}-hv1-ex"} <= ports

    def test_a_crashed_machine_stays_down_until_it_is_started(self) -> None:
        program("crash", "hv1")
        assert "hv1 10.78.0.11 off" in program("status")
        assert "machine hv1 started" in program("up", "hv1")
        until("hv1 answers", lambda: shell("hv1", "ls /root/kept"))

    def test_machines_whose_supervisor_was_killed_are_started_anew(self) -> None:
        os.kill(keeper("hv1"), signal.SIGKILL)
        until("seen", lambda: "hv1 10.78.0.11 running" not in program("status"), within_s=5)
        assert "changed=1" in play()
        assert shell("hv1", "ls /root/kept")

    def test_a_stale_file_that_names_a_stranger_harms_nobody(self) -> None:
        program("stop", "hv1")
        file = FOLDER / "machines/hv1/supervisor.json"
        file.write_text(json.dumps({"pid": os.getpid(), "start_ticks": 1, "boot_id": "x"}))
        assert "machine hv1 started" in program("up")

    def test_leftovers_of_a_killed_run_go_with_the_rest_and_leave_no_trace(self) -> None:
        os.kill(keeper("hv1"), signal.SIGKILL)
        run("ip", "link", "delete", f"{NAME}lab0")
        (FOLDER / "machines/control/supervisor.json").unlink()
        assert traces(), "there was a lab"
        assert "failed=0" in play("-e", "lab_machine_state=absent")
        assert traces() == []
        assert "changed=0" in play("-e", "lab_machine_state=absent")
