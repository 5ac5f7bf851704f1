"""The one file that imports ansible_runner.

Each run has a private folder on tmpfs (0700) with its document and its result; only their paths
reach Ansible as variables. The folder is removed when the run is over, whatever happened.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ansible_runner

from freehold.config import Config
from freehold.jobs.prefork import AnsibleServer
from freehold.jobs.run import Outcome, Run, RunEvent

KEPT_EVENTS = frozenset(
    {
        "playbook_on_task_start",
        "runner_on_ok",
        "runner_on_failed",
        "runner_on_unreachable",
        "playbook_on_stats",
    }
)
KEPT_FACTS = ("changed", "msg", "steps", "counts", "times", "diff", "unreachable")
END_WITHIN_S = 10.0
FAILURES = frozenset({"runner_on_failed", "runner_on_unreachable"})


class AnsibleRunner:
    """Runs playbooks of ``project_dir`` on ``inventory``.

    Args:
        config: Where project, inventory and run folders are.
        server: Starts Ansible sooner; without one the program is started anew for each run.
    """

    def __init__(self, config: Config, server: AnsibleServer | None = None) -> None:
        self._config = config
        self._server = server

    def clear(self) -> None:
        """Remove what runs of an earlier life of this process left: their folders hold secrets."""
        if self._server is not None:
            self._server.stop()
        for folder in self._config.run_dir.glob("*"):
            _end_children(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def __call__(
        self,
        run: Run,
        on_event: Callable[[RunEvent], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Run one playbook; see ``Runner``."""
        with _folder(self._config.run_dir / run.id) as folder:
            failures: list[str] = []
            text: list[str] = []

            def told(event: dict[str, Any]) -> bool:
                if event.get("event") in KEPT_EVENTS:
                    on_event(_event(event))
                if event.get("event") in FAILURES:
                    failures.append(_failure(event["event_data"]))
                elif event.get("event") in ("verbose", "error") and event.get("stdout"):
                    text.append(event["stdout"])
                return False

            finished = ansible_runner.interface.init_runner(
                **self._command(run, folder), event_handler=told, cancel_callback=cancelled
            )
            if self._server is not None:
                self._server.keep_running(finished.config.env)
            finished.run()
            failure = ""
            if finished.status != "successful":
                # One that was killed leaves what it had started, and looks like one that failed.
                _end_children(folder)
                said = failures or [line for line in text if line.strip()][-5:]
                failure = "; ".join(said) or f"ansible-playbook ended with {finished.rc}"
                if finished.status == "timeout":
                    failure = f"ended after {run.time_limit_s} s; {failure}"
            return Outcome(finished.status, _read(folder / "result.json"), failure)

    def _command(self, run: Run, folder: Path) -> dict[str, Any]:
        project = self._config.project_dir
        variables = {"freehold_result": str(folder / "result.json"), **run.variables}
        if run.document is not None:
            document = folder / "document.json"
            _write(document, run.document)
            variables["freehold_document"] = str(document)
        command: dict[str, Any] = {
            "private_data_dir": str(folder),
            "project_dir": str(project),
            "playbook": str(project / "playbooks" / run.playbook),
            "inventory": str(self._config.inventory),
            "extravars": variables,
            "envvars": self._environment(folder),
            "settings": {
                "job_timeout": run.time_limit_s,
                "pexpect_timeout": 1,
                "suppress_output_file": True,
            },
            "quiet": True,
        }
        if run.limit:
            command["limit"] = run.limit
        if run.check:
            command["cmdline"] = "--check --diff"
        return command

    def _environment(self, folder: Path) -> dict[str, str]:
        found = environment(self._config, folder)
        if self._server is not None:
            found |= self._server.environment(found["PATH"])
        return found


def environment(config: Config, folder: Path) -> dict[str, str]:
    """Ansible's environment for one run; also what a person needs to run the same by hand."""
    programs = str(Path(sys.executable).parent)
    return {
        "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_CONFIG": str(config.project_dir / "ansible.cfg"),
        "ANSIBLE_HOME": str(config.run_dir.parent / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(config.run_dir.parent / "cp"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "FREEHOLD_RUN": str(folder),
    }


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, document: Mapping[str, Any]) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(document, file)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _event(event: Mapping[str, Any]) -> RunEvent:
    data = event.get("event_data", {})
    result = data.get("res") or {}
    facts = {key: result[key] for key in KEPT_FACTS if key in result}
    if event["event"] == "playbook_on_stats":
        facts = {key: data.get(key, {}) for key in ("ok", "changed", "failures", "dark")}
    return RunEvent(event["counter"], event["event"], data.get("host"), data.get("task"), facts)


def _failure(data: Mapping[str, Any]) -> str:
    result = data.get("res") or {}
    said = result.get("msg") or result.get("module_stderr") or "no message"
    return f"{data.get('host')}: {data.get('task')}: {str(said).strip()[:1000]}"


def _end_children(folder: Path) -> None:
    """End what a cancelled run left behind; returns when nothing of it is left.

    Ansible's workers live in sessions of their own, so ending the playbook's process group misses
    them; all of them carry this run's ``FREEHOLD_RUN`` in their environment. A process that was
    just being made while we looked is found by the next look; one that the kernel cannot end (it
    waits for a disk) is left after ``END_WITHIN_S``.
    """
    mark = f"FREEHOLD_RUN={folder}".encode()
    given_up = time.monotonic() + END_WITHIN_S
    while left := list(_marked(mark)):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if time.monotonic() > given_up:
            return
        time.sleep(0.01)


def _marked(mark: bytes) -> Iterator[int]:
    """Processes with a mark in their environment, but for ssh masters, which runs share."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if mark not in (process / "environ").read_bytes().split(b"\0"):
                continue
            if b"[mux]" in (process / "cmdline").read_bytes():
                continue
        except OSError:
            continue
        yield int(process.name)
