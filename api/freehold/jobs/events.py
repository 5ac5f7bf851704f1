"""Events of a running job, written a few at a time so that telling costs little.

They are telemetry (invariant 6): losing them loses no outcome, so a failure here is logged and the
job goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

from freehold.jobs.job import JobEvent
from freehold.jobs.run import RunEvent
from freehold.store import Store
from freehold.trace import trace

log = logging.getLogger(__name__)
EVERY_S = 0.5


class EventWriter:
    """Collects events of one job; writes at most twice a second and at the end."""

    def __init__(self, store: Store, job_id: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._job_id = job_id
        self._clock = clock
        self._waiting: list[JobEvent] = []
        self._written = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write()

    def add(self, event: RunEvent) -> None:
        """Take one event."""
        with self._lock:
            self._waiting.append(
                JobEvent(
                    job_id=self._job_id,
                    number=event.number,
                    at=self._clock(),
                    event=event.event,
                    host=event.host,
                    task=event.task,
                    facts=dict(event.facts),
                )
            )
        if time.monotonic() - self._written > EVERY_S:
            self._write()

    def _write(self) -> None:
        with self._lock:
            events, self._waiting = self._waiting, []
            self._written = time.monotonic()
        if not events:
            return
        try:
            with self._store.write() as session:
                session.add_all(events)
        except SQLAlchemyError as error:
            log.error("events of job %s were not written\n%s", self._job_id, trace(error))
