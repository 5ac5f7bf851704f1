"""What every Runner promises, shown by the real one: ansible-runner on this computer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.config import Config
from freehold.jobs.prefork import AnsibleServer
from freehold.jobs.run import Outcome, Run, RunEvent
from freehold.jobs.runner import AnsibleRunner
from tests.support.lab import CHECKOUT, until

ANSWER = """
- name: A host answers its document
  hosts: all
  gather_facts: false
  tasks:
    - name: The document is answered
      ansible.builtin.copy:
        content: '{"answer": 1}'
        dest: "{{ freehold_result }}"
        mode: "0600"
"""
SLEEP = """
- name: A host takes its time
  hosts: all
  gather_facts: false
  tasks:
    - name: Time passes
      ansible.builtin.command: sleep 77
      changed_when: false
"""
FAIL = """
- name: A host refuses
  hosts: all
  gather_facts: false
  tasks:
    - name: Disk has room
      ansible.builtin.fail:
        msg: no room on /var
"""
READ = """
- name: Variables are shown
  hosts: all
  gather_facts: false
  tasks:
    - name: Everything that is a variable is written down
      ansible.builtin.copy:
        content: "{{ {'result': vars | string} | to_json }}"
        dest: "{{ freehold_result }}"
        mode: "0600"
"""


@pytest.fixture(params=["started anew", "forked"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnsibleRunner]:
    """Both ways in which a run is born; what is promised is the same."""
    project = tmp_path / "project"
    (project / "playbooks").mkdir(parents=True)
    for name, text in (("answer", ANSWER), ("sleep", SLEEP), ("fail", FAIL), ("read", READ)):
        (project / "playbooks" / f"{name}.yml").write_text(text)
    (project / "ansible.cfg").write_text("[defaults]\nlocalhost_warning = False\n")
    inventory = project / "hosts"
    inventory.write_text(
        "here ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'\n"
    )
    config = Config(project_dir=project, inventory=inventory, run_dir=tmp_path / "run" / "jobs")
    if request.param == "started anew":
        yield AnsibleRunner(config)
        return
    # A socket's path is short, and pytest's folders are not.
    with tempfile.TemporaryDirectory() as place:
        server = AnsibleServer(CHECKOUT / "plugins/prefork", Path(place))
        runner = AnsibleRunner(config, server)
        run(runner, "answer.yml", document={})  # the first run starts it, and does not wait
        until("the server listens", server.socket.exists, 30)
        yield runner
        server.stop()


def run(runner: AnsibleRunner, playbook: str, **settings: object) -> tuple[Outcome, list[RunEvent]]:
    events: list[RunEvent] = []
    wanted = {"id": "r1", "playbook": playbook, "limit": "here"} | settings
    return runner(Run(**wanted), events.append, lambda: False), events  # type: ignore[arg-type]


def marked(folder: Path) -> list[str]:
    """Processes that still carry the run's mark."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if f"FREEHOLD_RUN={folder}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return found


def test_a_run_brings_the_result_and_tells_what_happened(runner: AnsibleRunner) -> None:
    outcome, events = run(runner, "answer.yml", document={"a": 1})
    assert (outcome.status, outcome.result, outcome.failure) == ("successful", {"answer": 1}, "")
    assert any(event.task == "The document is answered" for event in events)


def test_a_failure_says_where_and_what(runner: AnsibleRunner) -> None:
    outcome, _ = run(runner, "fail.yml")
    assert outcome.status == "failed"
    assert outcome.result is None
    assert outcome.failure == "here: Disk has room: no room on /var"


def test_a_run_past_its_time_is_ended_with_all_its_processes(
    runner: AnsibleRunner, tmp_path: Path
) -> None:
    outcome, _ = run(runner, "sleep.yml", time_limit_s=2)
    assert outcome.status == "timeout"
    assert "ended after 2 s" in outcome.failure
    assert marked(tmp_path / "run" / "jobs" / "r1") == []


def test_a_cancelled_run_leaves_no_process(runner: AnsibleRunner, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "jobs" / "r1"
    began = threading.Event()

    def told(event: RunEvent) -> None:
        if event.event == "playbook_on_task_start":
            began.set()

    outcome = runner(Run("r1", "sleep.yml", "here"), told, began.is_set)
    assert outcome.status == "canceled"
    assert marked(folder) == []


def test_the_run_folder_is_gone_afterwards(runner: AnsibleRunner, tmp_path: Path) -> None:
    run(runner, "answer.yml", document={"a": 1})
    run(runner, "fail.yml", document={"a": 1})
    assert os.listdir(tmp_path / "run" / "jobs") == []


def test_what_a_tenant_wrote_is_neither_template_nor_variable(
    runner: AnsibleRunner, tmp_path: Path
) -> None:
    payload = "{{ lookup('pipe', 'touch " + str(tmp_path / "pwned") + "') }}"
    outcome, _ = run(runner, "read.yml", document={"name": payload, "secret": "hunter2"})
    assert outcome.result is not None
    assert "hunter2" not in json.dumps(outcome.result)
    assert not (tmp_path / "pwned").exists()


def test_what_a_killed_process_left_is_ended_and_removed(
    runner: AnsibleRunner, tmp_path: Path
) -> None:
    folder = tmp_path / "run" / "jobs" / "r0"
    folder.mkdir(parents=True)
    (folder / "document.json").write_text('{"secret": "hunter2"}')
    with subprocess.Popen(["sleep", "77"], env={"FREEHOLD_RUN": str(folder)}) as orphan:
        until("it runs with the mark", lambda: marked(folder), 10)
        runner.clear()
        assert orphan.wait(10) == -signal.SIGKILL
    assert os.listdir(folder.parent) == []
