"""A service whose hosts are folders of this computer, reached by real Ansible runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from freehold.jobs import Target
from freehold.jobs.job import Job
from tests.api.compute.cloud import LATEST, Cloud, make
from tests.contract.jobs import machine
from tests.contract.jobs.life import Life
from tests.support.lab import until
from tests.support.service import build

PLAY = """
- name: A folder is as the document says
  hosts: all
  gather_facts: false
  tasks:
    - name: The folder is as the document says
      ansible.builtin.command:
        argv:
          - {python}
          - {program}
          - {folder}
          - "{{{{ freehold_document }}}}"
          - "{{{{ freehold_result }}}}"
"""
LOCAL = f"ansible_connection=local ansible_python_interpreter={sys.executable}\n"


@dataclass
class Place:
    """The cloud, its machine, and the lives of its workers."""

    cloud: Cloud
    folder: Path
    lives: list[Life] = field(default_factory=list)

    def live(self, stops_at: str | None = None, **how: Any) -> Life:
        """Start a worker."""
        self.lives.append(Life(self.cloud.service.config, stops_at, **how))
        return self.lives[-1]

    @property
    def hold(self) -> Path:
        """While it exists, the machine stands still in the middle of its work."""
        return self.folder / "hold"

    def held(self) -> int:
        """The process of the machine that stands still."""
        return int(until("the machine works", lambda: _text(self.folder / "held"), 30))

    def create(self, number: int = 2) -> list[str]:
        """Ask for servers in one request."""
        wish = self.cloud.wish(networks="none", min_count=number)
        answer = self.cloud.client.post("/compute/v2.1/servers", json=wish, headers=LATEST)
        assert answer.status_code == 202, answer.text
        shown = self.cloud.client.get("/compute/v2.1/servers").json()["servers"]
        return [server["id"] for server in shown]

    def statuses(self) -> set[str]:
        """Statuses of all servers."""
        shown = self.cloud.client.get("/compute/v2.1/servers/detail").json()["servers"]
        return {server["status"] for server in shown}

    def target(self, name: str = "hv1") -> Target:
        """A host's row."""
        with self.cloud.service.store.read() as session:
            return session.get_one(Target, ("host", name))

    def jobs(self, name: str = "hv1") -> list[Job]:
        """A host's jobs, oldest first."""
        query = select(Job).where(Job.name == name).order_by(Job.started_at)
        with self.cloud.service.store.read() as session:
            return list(session.scalars(query))

    def settled(self) -> bool:
        """Whether nothing is to be done any more."""
        target = self.target()
        return target.lease is None and not target.is_due

    def made(self) -> list[str]:
        """Servers by each time that one was made."""
        return (_text(self.folder / "made") or "").split()

    def run_folders(self) -> list[str]:
        """What is left of runs."""
        return os.listdir(self.cloud.service.config.run_dir)

    def processes(self) -> dict[int, str]:
        """Processes of runs: id → command line."""
        mark = f"FREEHOLD_RUN={self.cloud.service.config.run_dir}".encode()
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes():
                    line = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(process.name)] = line.decode()
            except OSError:
                continue
        return found


def _text(file: Path) -> str | None:
    return file.read_text() if file.exists() else None


def project(folder: Path, hosts: str) -> dict[str, Path]:
    """Settings of a service whose playbook drives ``folder``."""
    playbooks = folder / "project" / "playbooks" / "converge"
    playbooks.mkdir(parents=True)
    (folder / "machine").mkdir()
    text = PLAY.format(python=sys.executable, program=machine.__file__, folder=folder / "machine")
    (playbooks / "host.yml").write_text(text)
    (folder / "project" / "ansible.cfg").write_text("[defaults]\nlocalhost_warning = False\n")
    (folder / "hosts").write_text(hosts)
    return {
        "project_dir": folder / "project",
        "inventory": folder / "hosts",
        "run_dir": folder / "run" / "jobs",
    }


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """One host, no server yet."""
    service = build(tmp_path, **project(tmp_path, f"hv1 {LOCAL}"))
    found = Place(make(service, networked=False), tmp_path / "machine")
    yield found
    for life in found.lives:
        life.kill()
    service.store.close()
