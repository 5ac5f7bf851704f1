"""Verbs on a whole lab: what the command line offers.

Each returns one sentence per thing that it changed; no sentence means no change.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from . import cgroups, disk, links, process, supervisor
from .command import run
from .definition import Lab, LabError, Machine

START_TIMEOUT_S = 40


def systemd_runs_the_computer() -> bool:
    """As sd_booted(3) defines it."""
    return Path("/run/systemd/system").is_dir()


def check(lab: Lab) -> None:
    """Try what the computer must be able to do.

    Raises:
        LabError: The first thing that is missing, and what to do about it.
    """
    if os.geteuid() != 0:
        raise LabError("machines can be made by root only; run the same command with sudo")
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        raise LabError(
            f"/dev/net/tun: {error.strerror}; load the kernel module with `modprobe tun` "
            "(in a container or VM: give it the device)"
        ) from error
    if clash := links.address_clash(lab):
        raise LabError(
            f"{clash}; choose another network in the inventory's lab.yml or FREEHOLD_LAB_NETWORK"
        )
    if foreign := links.foreign_ports(lab):
        raise LabError(
            f"bridge {lab.bridge} has ports of somebody else: {', '.join(foreign)}; remove them, "
            "or choose another name with lab_machine_bridge"
        )
    with tempfile.TemporaryDirectory(dir=lab.folder, prefix="probe-") as probe:
        for part in ("lower", "upper", "work", "root"):
            Path(probe, part).mkdir()
        options = f"lowerdir={probe}/lower,upperdir={probe}/upper,workdir={probe}/work"
        try:
            run("mount", "-t", "overlay", "probe", "-o", options, f"{probe}/root")
        except LabError as error:
            raise LabError(
                f"no overlay file system on {lab.folder}: {error}; put lab_machine_folder on a "
                "disk with ext4 or xfs"
            ) from error
        run("umount", f"{probe}/root")


def up(lab: Lab, names: Sequence[str] = ()) -> list[str]:
    """Bring machines up, after clearing what a killed run left; running ones stay as they are."""
    check(lab)
    if not (lab.base / ".complete").exists():
        raise LabError(f"base {lab.base} is not complete; run `make lab`, which builds it")
    done = links.make_bridge(lab)
    started = []
    for machine in chosen(lab, names):
        if running(lab, machine):
            done += disk.mount(lab, machine)
            if links.detached(lab, machine):
                links.attach(lab, machine, lambda: True, timeout_s=1)
                done.append(f"links of machine {machine.name} put on {lab.bridge}")
            if disk.outdated(lab, machine):
                print(f"machine {machine.name} stands on an older base", file=sys.stderr)
            continue
        done += end_processes(lab, machine)
        done += disk.mount(lab, machine)
        started.append((machine, start(lab, machine)))
    for machine, keeper in started:
        wait_started(lab, machine, keeper)
        done.append(f"machine {machine.name} started")
    write_known_hosts(lab)
    return done


def stop(lab: Lab, names: Sequence[str] = (), *, crash: bool = False) -> list[str]:
    """Switch machines off, in order or as if the power failed; their disks stay."""
    done = []
    machines = chosen(lab, names)
    keepers = {m: process.read(supervisor.state_file(lab, m)) for m in machines}
    if not crash:
        for keeper in keepers.values():
            if keeper:
                keeper.signal(signal.SIGTERM)
        for machine, keeper in keepers.items():
            if keeper and keeper.gone_within(supervisor.SHUTDOWN_TIMEOUT_S + 5):
                done.append(f"machine {machine.name} switched off")
    for machine in machines:
        done += end_processes(lab, machine)
    return done


def down(lab: Lab) -> list[str]:
    """Remove a lab with everything that it put on the computer, whatever state it is in.

    Machines that an earlier definition had and this one has not are removed as well.
    """
    place = lab.folder / "machines"
    known = {m.name for m in lab.machines}
    old = sorted(p.name for p in place.iterdir() if p.name not in known) if place.exists() else []
    nowhere = lab.bridge_addresses[0]
    machines = [*lab.machines, *(Machine(name, nowhere, lab.name) for name in old)]
    whole = Lab(**{**vars(lab), "machines": tuple(machines)})
    done = stop(whole, crash=True)  # nothing of it is kept, so nothing has to end in order
    for machine in machines:
        done += disk.remove(whole, machine)
    done += links.remove_bridge(lab)
    lab.known_hosts.unlink(missing_ok=True)
    shutil.rmtree(lab.folder)
    return done


def status(lab: Lab) -> list[str]:
    """One sentence per machine."""
    told = []
    for machine in lab.machines:
        state = "running" if running(lab, machine) else "off"
        if state == "off" and cgroups.processes(machine):
            state = "left over from a killed run; the next `up` or `down` clears it"
        told.append(f"{machine.name} {machine.address.ip} {state}")
    return told


def chosen(lab: Lab, names: Sequence[str]) -> list[Machine]:
    """The machines of these names; all if none is named."""
    return [lab.machine(name) for name in names] if names else list(lab.machines)


def running(lab: Lab, machine: Machine) -> bool:
    """Whether a supervisor holds this machine."""
    return process.read(supervisor.state_file(lab, machine)) is not None


def start(lab: Lab, machine: Machine) -> subprocess.Popen[bytes] | None:
    """Start a machine's supervisor, free of this process and its terminal.

    Returns:
        The supervisor, where it is a child of this process and not of systemd.
    """
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    command = [sys.executable, "-m", __package__, "--lab", str(lab.folder / "lab.json")]
    command += ["supervise", machine.name]
    log = supervisor.log_file(lab, machine)
    if systemd_runs_the_computer():
        settings = [f"--setenv={key}={value}" for key, value in environment.items()]
        properties = ["Delegate=yes", "KillMode=mixed", "Type=exec"]
        properties += [f"Standard{stream}=append:{log}" for stream in ("Output", "Error")]
        settings += [f"--property={text}" for text in properties]
        run("systemd-run", "--quiet", "--collect", f"--unit={unit(machine)}", *settings, *command)
        return None
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=environment,
            start_new_session=True,
        )


def unit(machine: Machine) -> str:
    """The name of a supervisor's unit where systemd runs the computer."""
    return f"freehold-lab-{machine.label}.service"


def wait_started(lab: Lab, machine: Machine, keeper: subprocess.Popen[bytes] | None) -> None:
    """Wait until a machine boots with its links on the bridge."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not running(lab, machine):
        ended = keeper is not None and keeper.poll() is not None
        if ended or time.monotonic() > deadline:
            log = supervisor.log_file(lab, machine)
            last = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            raise LabError(f"machine {machine.name} does not start; its log {log} ends:\n{last}")
        time.sleep(0.05)


def end_processes(lab: Lab, machine: Machine) -> list[str]:
    """Clear what is left of a machine that should be off: processes, groups, links."""
    done = []
    if systemd_runs_the_computer():
        done += _kill_unit(machine)
    elif keeper := process.read(supervisor.state_file(lab, machine)):
        keeper.signal(signal.SIGKILL)
    done += cgroups.kill(machine)
    supervisor.state_file(lab, machine).unlink(missing_ok=True)
    done += links.remove_links(machine)
    done += cgroups.remove(machine)
    return done


def _kill_unit(machine: Machine) -> list[str]:
    """End a unit's processes at once, and wait until systemd has put the unit away."""
    name = unit(machine)
    if subprocess.run(["systemctl", "is-active", "--quiet", name], check=False).returncode:
        return []
    for words in (["kill", "--signal=KILL", name], ["stop", name]):  # the unit may end in between
        subprocess.run(["systemctl", *words], capture_output=True, check=False)
    return [f"processes of machine {machine.name} ended"]


def write_known_hosts(lab: Lab) -> None:
    """Let ssh know the machines, so that it can tell them from others at the same addresses."""
    lines = [
        f"{machine.address.ip},{machine.name} {' '.join(disk.host_key(lab, machine).split()[:2])}\n"
        for machine in lab.machines
        if disk.mounted_below(disk.root(lab, machine))
    ]
    if not lab.known_hosts.exists() or lab.known_hosts.read_text() != "".join(lines):
        lab.known_hosts.write_text("".join(lines))
