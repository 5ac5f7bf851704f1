"""A worker in a process: ``python -m tests.contract.store.lamplighter URL FOLDER NAME PROCESSES``.

It takes every target's run by making the file ``FOLDER/<target>.running``; where that is there
already, another process is at the same target, which it tells by ``FOLDER/<target>.twice``. Nobody
ends a run before each of the PROCESSES has begun one, so that all of them have a part of the work.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from freehold.jobs import Fault, Result, Scope, TargetKind
from freehold.jobs.job import Seal
from freehold.jobs.run import Outcome, Run, RunEvent
from freehold.jobs.worker import Worker
from freehold.store import Store, utc_now


class Lamps:
    """A Runner that only looks whether it is alone."""

    def __init__(self, folder: Path, name: str, processes: int) -> None:
        self._folder = folder
        self._name = name
        self._processes = processes

    def clear(self) -> None:
        """Nothing is left over."""

    def __call__(
        self, run: Run, on_event: Callable[[RunEvent], None], cancelled: Callable[[], bool]
    ) -> Outcome:
        """One run."""
        target = run.limit
        assert target is not None
        mark = self._folder / f"{target}.running"
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            (self._folder / f"{target}.twice").touch()
        (self._folder / f"{self._name}.began").touch()
        while len(list(self._folder.glob("*.began"))) < self._processes and not cancelled():
            time.sleep(0.01)
        mark.unlink(missing_ok=True)
        with (self._folder / f"{self._name}.runs").open("a") as file:
            file.write(f"{target}\n")
        result = {
            "format": 1,
            "target": {"kind": "lamp", "name": target},
            "check": False,
            "changed": False,
            "resources": [],
            "unknown": [],
            "facts": {},
        }
        return Outcome("successful", result, "")


def kind() -> TargetKind:
    """Targets without rows: whatever is asked of one is one run."""

    def document(_session: Session, _name: str, _scope: Scope, _now: datetime) -> dict[str, Any]:
        return {}

    def settled(_session: Session, _name: str, _result: Result, _now: datetime) -> bool:
        return True

    def failed(_session: Session, _name: str, _fault: Fault, _now: datetime) -> None:
        raise AssertionError("no run fails here")

    def expire(_session: Session, _now: datetime) -> None:
        pass

    return TargetKind(
        kind="lamp",
        playbook="lamp.yml",
        document=document,
        write_back=settled,
        failed=failed,
        expire=expire,
        look_every_s=None,
    )


def main() -> None:
    """Work until killed."""
    url, folder, name, processes = sys.argv[1:]
    runner = Lamps(Path(folder), name, int(processes))
    worker = Worker(Store(url), [kind()], runner, Seal(b"s" * 64), utc_now, name=name)
    worker.start()
    print("ready", flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
