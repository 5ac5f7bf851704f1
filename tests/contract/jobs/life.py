"""One life of a worker, in a process of its own that a test can kill at any step of a job."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from freehold.access import Tokens
from freehold.compute import target_kinds
from freehold.config import Config
from freehold.jobs import Result, TargetKind
from freehold.jobs.job import Seal
from freehold.jobs.prefork import AnsibleServer
from freehold.jobs.run import Outcome, Run, RunEvent
from freehold.jobs.runner import AnsibleRunner
from freehold.jobs.worker import Worker
from freehold.store import Store, utc_now
from tests.support.lab import CHECKOUT

STEPS = ("leased", "job opened", "started", "result read", "written back, not committed")
"""Where a life can be made to stand still; inside the module ``machine.hold`` does it."""
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.contract.jobs.life"])


class Life:
    """A running worker.

    Args:
        stops_at: The step at which it stands still, once; None for none.
        name: The worker's.
        ahead_s: How much later it is for this worker than for others.
        socket_folder: For the process that has Ansible imported; None runs without one.
    """

    def __init__(
        self,
        config: Config,
        stops_at: str | None = None,
        *,
        name: str = "worker",
        ahead_s: int = 0,
        socket_folder: Path | None = None,
    ) -> None:
        self._here, there = PROCESSES.Pipe()
        words = (config, stops_at, name, ahead_s, socket_folder, there)
        self.process = PROCESSES.Process(target=live, args=words)
        self.process.start()
        there.close()

    def reach(self, step: str) -> None:
        """Wait until it stands still."""
        assert self._here.poll(30), f"{step} was not reached"
        assert self._here.recv() == step

    def go_on(self) -> None:
        """Let it go on from where it stands, and wait until it has given the target up or back."""
        self._here.send("go on")
        assert self._here.poll(30)
        assert self._here.recv() == "over"

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.join()


def live(
    config: Config,
    stops_at: str | None,
    name: str,
    ahead_s: int,
    socket_folder: Path | None,
    test: Connection,
) -> None:
    """Work until killed."""
    left = {stops_at}

    def pass_by(step: str) -> None:
        if step in left:
            left.remove(step)
            test.send(step)
            test.recv()

    secret = config.secret_file.read_bytes()
    server = AnsibleServer(CHECKOUT / "plugins/prefork", socket_folder) if socket_folder else None
    (kind,) = target_kinds(config, Tokens(secret, config.token_lifetime_s))
    worker = Teller(
        Store(config.database),
        [told(kind, pass_by)],
        ToldRunner(AnsibleRunner(config, server), pass_by),
        Seal(secret),
        lambda: utc_now() + timedelta(seconds=ahead_s),
        name=name,
    )
    worker.test = test
    worker.start()
    worker.wait()


class Teller(Worker):
    """Tells the test when a job is over for this worker."""

    test: Connection

    def _serve(self, lease: Any) -> None:
        super()._serve(lease)
        self.test.send("over")

    def wait(self) -> None:
        """Until the process is killed."""
        assert self._thread is not None
        self._thread.join()


class ToldRunner:
    """The real runner, with steps before, in and behind a run."""

    def __init__(self, runner: AnsibleRunner, pass_by: Callable[[str], None]) -> None:
        self._runner, self._pass_by = runner, pass_by
        self.clear = runner.clear

    def __call__(
        self, run: Run, on_event: Callable[[RunEvent], None], cancelled: Callable[[], bool]
    ) -> Outcome:
        """See ``Runner``."""

        def heard(event: RunEvent) -> None:
            self._pass_by("started")
            on_event(event)

        self._pass_by("job opened")
        outcome = self._runner(run, heard, cancelled)
        self._pass_by("result read")
        return outcome


def told(kind: TargetKind, pass_by: Callable[[str], None]) -> TargetKind:
    """The real kind, with steps where the worker calls it."""

    def document(*words: Any) -> dict[str, Any] | None:
        pass_by("leased")
        return kind.document(*words)

    def write_back(session: Session, name: str, result: Result, now: Any) -> bool:
        settled = kind.write_back(session, name, result, now)
        session.flush()
        pass_by("written back, not committed")
        return settled

    return replace(kind, document=document, write_back=write_back)
