# Copyright: (c) 2026, Freehold contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs ``ansible-playbook`` in a fork of a process that has imported it already.

A program of its own, started by the service (``jobs/runner.py``) and ended with it: ``server.py
SOCKET`` listens until its standard input is closed. ``bin/ansible-playbook`` asks it, in the place
of the real one: it sends its command line, environment and terminal, and gets the exit status. A
run is a process of its own with nothing left of another's; what is shared is imported code, the
settings that Ansible reads while it is imported (so a server serves one environment: ``BAKED``),
and the packed modules.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import re
import select
import signal
import socket
import sys
import tempfile
import traceback
import warnings

# What a run imports; the command line's own modules come with the first.
MODULES = (
    "ansible.cli.playbook",
    "ansible.executor.module_common",
    "ansible.executor.playbook_executor",
    "ansible.executor.process.worker",
    "ansible.executor.task_queue_manager",
)
# Plugins are code with documentation in YAML, which is read with them and costs more than the code.
PLUGINS = {
    "become_loader": ("ansible.builtin.sudo",),
    "cache_loader": ("jsonfile", "memory"),
    # Not ansible-runner's own: while it is imported it reads where a run's events go.
    "callback_loader": ("ansible.builtin.default", "ansible.builtin.minimal"),
    "connection_loader": ("ansible.builtin.ssh", "ansible.builtin.local"),
    "inventory_loader": ("auto", "host_list", "ini", "script", "toml", "yaml"),
    "shell_loader": ("ansible.builtin.sh",),
    "strategy_loader": ("linear",),
}
MARK = b"FREEHOLD_RUN="
READY, REFUSED = b"r", b"n"
# Ansible keeps these while it is imported; those of a run alone are set again in its process.
BAKED = re.compile(r"(ANSIBLE_|LANG$|LC_|PYTHON)")
OF_A_RUN = {"ANSIBLE_LOCAL_TEMP", "ANSIBLE_CACHE_PLUGIN_CONNECTION"}
REQUEST_MAX_BYTES = 4 * 1024 * 1024


def baked(environment: dict[str, str]) -> dict[str, str]:
    """The part of an environment that a server is made for."""
    return {k: v for k, v in environment.items() if BAKED.match(k) and k not in OF_A_RUN}


class Mark:
    """``FREEHOLD_RUN`` as /proc shows it, by which the service finds and ends a run's processes.

    A fork shows the environment that its parent was started with, so the place of the variable is
    found there and written over: the server is started with one that is long enough.
    """

    def __init__(self) -> None:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[47]), int(fields[48])  # env_start, env_end of proc(5)
        environment = ctypes.string_at(start, end - start)
        place = environment.index(MARK)
        self._address = start + place
        self._room = environment.index(b"\0", place) - place

    def write(self, run: str) -> None:
        """Carry this run's mark from now on."""
        value = MARK + os.fsencode(run)
        if len(value) > self._room:
            raise ValueError(f"{run} is longer than the {self._room} bytes kept for it")
        ctypes.memmove(self._address, value.ljust(self._room, b"\0"), self._room)


def serve(path: str) -> None:
    """Fork for every request until standard input is closed."""
    mark = Mark()
    modules = tempfile.mkdtemp(prefix="modules-", dir=os.path.dirname(path))
    import_ansible()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits: a run tells its own end
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        while True:
            readable, _, _ = select.select([0, listening], [], [])
            if 0 in readable:
                return
            asking, _ = listening.accept()
            with asking:
                if os.fork() == 0:
                    listening.close()
                    os._exit(answer(asking, mark, modules))


def import_ansible() -> None:
    """Import what runs import; nothing of an inventory or playbook is read."""
    for name in MODULES:
        importlib.import_module(name)
    loaders = importlib.import_module("ansible.plugins.loader")
    loaders.init_plugin_loader()
    # Each run sets it up again, finds it there, and says so.
    warnings.filterwarnings("ignore", message="AnsibleCollectionFinder has already")
    importlib.import_module("ansible_collections.ansible.builtin")
    for loader, names in PLUGINS.items():
        for name in names:
            getattr(loaders, loader).get(name, class_only=True)


def answer(asking: socket.socket, mark: Mark, modules: str) -> int:
    """Be the process of one run; returns its exit status, which was told already."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        request, terminal = receive(asking)
        mark.write(request["environment"].get("FREEHOLD_RUN", ""))
        if baked(request["environment"]) != baked(dict(os.environ)):
            asking.sendall(REFUSED)
            return 0
        # Fails when the caller was ended meanwhile; whoever ended it looks for marks after that.
        asking.sendall(READY)
        become(request, terminal)
        status = run(request["arguments"], modules)
    except BaseException:  # noqa: BLE001 - the edge of a process: told, and its status is 1
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            asking.sendall(bytes([status & 255]))
        except OSError:
            status = 1
    return status


def receive(asking: socket.socket) -> tuple[dict, list[int]]:
    """Read a request: JSON, with the caller's standard streams beside its first bytes."""
    content, terminal, _, _ = socket.recv_fds(asking, REQUEST_MAX_BYTES, 3)
    while not content.endswith(b"\n"):
        more = asking.recv(REQUEST_MAX_BYTES)
        if not more:
            raise EOFError("the caller went away before it had asked")
        content += more
    return json.loads(content), terminal


def become(request: dict, terminal: list[int]) -> None:
    """Stand where the caller stands: its streams, folder and environment."""
    for number, stream in enumerate(terminal):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout.reconfigure(line_buffering=True)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])


def run(arguments: list[str], modules: str) -> int:
    """Run the command as its own program would, but for what is made once for all runs."""
    from ansible import constants
    from ansible.cli import playbook

    os.makedirs(os.environ["ANSIBLE_LOCAL_TEMP"], mode=0o700, exist_ok=True)
    constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(
        prefix="ansible-local-", dir=os.environ["ANSIBLE_LOCAL_TEMP"]
    )
    os.symlink(modules, os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
    sys.argv = ["ansible-playbook", *arguments]
    try:
        playbook.main(sys.argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
