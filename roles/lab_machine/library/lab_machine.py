#!/usr/bin/python
# Copyright: (c) 2026, Freehold contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One lab machine: a systemd-nspawn container over a shared base, under a supervisor."""

from __future__ import annotations

DOCUMENTATION = """
module: lab_machine
short_description: A systemd-nspawn machine on this computer
description:
  - Running means that the supervisor this module started is alive; a stale pid file is never trusted, the process's
    start time has to match.
  - Whatever a killed run left (mounts, network ends, control groups) is cleared before a machine is started.
options:
  name:
    description: Name on this computer.
    type: str
    required: true
  folder:
    description: Where the machine's changes, settings and log are kept.
    type: path
    required: true
  base:
    description: Root folder of the base system.
    type: path
  bridge:
    description: The bridge that all its cards are on.
    type: str
  nics:
    description: Names of further cards inside the machine.
    type: list
    elements: str
    default: []
  files:
    description: Text files of the machine, by path below its root.
    type: dict
    default: {}
  supervisor:
    description: Path of the supervisor program.
    type: path
  state:
    description: Running or gone.
    type: str
    choices: [present, absent]
    default: present
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

from ansible.module_utils.basic import AnsibleModule

BINDS = ["/dev/net/tun", "/dev/kvm", "/dev/fuse"]
CGROUPS = "/sys/fs/cgroup"
STOP_S = 40


def started_at(pid):
    """When a process started (clock ticks, field 22 of proc_pid_stat(5)); None when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rsplit(")", 1)[1].split()[19])
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None


def supervisor(folder):
    """Pid of the machine's living supervisor, or None."""
    try:
        with open(os.path.join(folder, "supervisor.json")) as file:
            known = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    return known["pid"] if started_at(known["pid"]) == known["started_at"] else None


def children(pid):
    """Pids of a process's children."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


class Machine:
    """The machine as the module handles it."""

    def __init__(self, module):
        self.module = module
        self.name = module.params["name"]
        self.folder = module.params["folder"]
        self.root = os.path.join(self.folder, "root")
        self.cards = [[f"{inside[:2]}-{self.name}", inside] for inside in module.params["nics"]]

    def stop(self):
        """Power off in order; after a while by force. Ends only processes below our supervisor."""
        pid = supervisor(self.folder)
        if pid is None:
            return
        below = children(pid)
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while supervisor(self.folder) is not None:
            if time.monotonic() > deadline:
                for nspawn in below:
                    for leader in children(nspawn):
                        os.kill(leader, signal.SIGKILL)
                    os.kill(nspawn, signal.SIGKILL)
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)

    def clear(self):
        """Remove what may be left outside the folder: network ends, mounts, control groups."""
        for end in [f"vb-{self.name}", f"tu-{self.name}", f"ex-{self.name}"]:
            if os.path.exists(f"/sys/class/net/{end}"):
                self.module.run_command(["ip", "link", "delete", end])
        with open("/proc/mounts") as file:
            mounts = [line.split()[1] for line in file]
        for mount in reversed(
            [m for m in mounts if m == self.root or m.startswith(self.root + "/")]
        ):
            self.module.run_command(["umount", "--lazy", mount], check_rc=True)
        for controller in ["", *os.listdir(CGROUPS)]:
            top = os.path.join(CGROUPS, controller, f"freehold-{self.name}")
            for place, _folders, _files in os.walk(top, topdown=False):
                try:
                    os.rmdir(place)
                except OSError as error:
                    self.module.debug(f"{place} stays: {error}")

    def start(self):
        """Mount the root, write the machine's files, start the supervisor in a session of its own."""
        for part in ("up", "work", "root"):
            os.makedirs(os.path.join(self.folder, part), exist_ok=True)
        options = f"lowerdir={self.module.params['base']},upperdir={self.folder}/up,workdir={self.folder}/work"
        self.module.run_command(
            ["mount", "-t", "overlay", "overlay", "-o", options, self.root], check_rc=True
        )
        for path, text in self.module.params["files"].items():
            place = os.path.join(self.root, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "w") as file:
                file.write(text)
        settings = {
            "name": self.name,
            "root": self.root,
            "bridge": self.module.params["bridge"],
            "cards": self.cards,
            "binds": BINDS,
        }
        with open(os.path.join(self.folder, "machine.json"), "w") as file:
            json.dump(settings, file)
        program = os.path.join(self.folder, "supervise.py")
        shutil.copyfile(self.module.params["supervisor"], program)
        with open(os.path.join(self.folder, "console.log"), "ab") as log:
            process = subprocess.Popen(
                [sys.executable, program, os.path.join(self.folder, "machine.json")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        with open(os.path.join(self.folder, "supervisor.json"), "w") as file:
            json.dump({"pid": process.pid, "started_at": started_at(process.pid)}, file)
        time.sleep(0.3)
        if process.poll() is not None:
            self.module.fail_json(
                msg=f"{self.name} did not start (status {process.returncode}); see {self.folder}/console.log"
            )


def main():
    """Converge the machine."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "base": {"type": "path"},
            "bridge": {"type": "str"},
            "nics": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "dict", "default": {}},
            "supervisor": {"type": "path"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["base", "bridge", "supervisor"])],
        supports_check_mode=True,
    )
    machine = Machine(module)
    running = supervisor(machine.folder) is not None
    if module.params["state"] == "present":
        changed = not running
        if changed and not module.check_mode:
            machine.clear()
            shutil.rmtree(machine.folder, ignore_errors=True)
            machine.start()
    else:
        changed = running or os.path.exists(machine.folder)
        if changed and not module.check_mode:
            machine.stop()
            machine.clear()
            shutil.rmtree(machine.folder)
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
