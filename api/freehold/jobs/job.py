"""Jobs and their events: what ran, why, what it changed.

A job's row is a digest. Its document is kept sealed (compressed and encrypted with a key derived
from the
service's secret), because it carries what tenants gave us and tokens for images; it is opened only
to replay
the job. Old jobs are forgotten, newest ``KEEP`` a target stay.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import ForeignKey, Index, LargeBinary, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access.tokens import fernet_key
from freehold.errors import Conflict
from freehold.store import Base, new_id

KEEP = 50
RUNNING, SUCCESSFUL, FAILED, CANCELLED, LOST = (
    "running",
    "successful",
    "failed",
    "cancelled",
    "lost",
)


class Job(Base):
    """One playbook run on one target.

    Attributes:
        lease: The target's lease that the job runs under.
        scope: ``changes`` or ``all``.
        summary: One sentence: what it did, or why it failed.
        resources: What became of each resource: type, id, generation, outcome, steps, error.
        sealed: The document, see the module.
        cancel_requested: A person wants it ended.
    """

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    name: Mapped[str]
    lease: Mapped[str]
    playbook: Mapped[str]
    limit: Mapped[str | None]
    scope: Mapped[str]
    state: Mapped[str] = mapped_column(default=RUNNING, index=True)
    summary: Mapped[str] = mapped_column(default="")
    changed: Mapped[bool] = mapped_column(default=False)
    started_at: Mapped[datetime] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]
    resources: Mapped[list[Any]] = mapped_column(default=list)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    cancel_requested: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (Index("ix_jobs_target", "kind", "name", "started_at"),)


class JobEvent(Base):
    """One line of a job's story, as Ansible told it. Telemetry: no outcome depends on it."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    event: Mapped[str]
    host: Mapped[str | None]
    task: Mapped[str | None]
    facts: Mapped[dict[str, Any]]


@dataclass(frozen=True)
class Seal:
    """Seals documents under the service's secret."""

    secret: bytes

    def close(self, document: dict[str, Any]) -> bytes:
        """Compress and encrypt."""
        text = json.dumps(document, separators=(",", ":")).encode()
        return Fernet(fernet_key(self.secret, "document")).encrypt(zlib.compress(text))

    def open(self, sealed: bytes) -> dict[str, Any]:
        """Decrypt.

        Raises:
            Conflict: It was sealed under another secret.
        """
        try:
            text = zlib.decompress(Fernet(fernet_key(self.secret, "document")).decrypt(sealed))
        except InvalidToken as error:
            raise Conflict(
                "The job's document was sealed under another secret; it cannot be replayed."
            ) from error
        document: dict[str, Any] = json.loads(text)
        return document


def forget_old(session: Session, kind: str, name: str) -> None:
    """Drop a target's jobs beyond the newest ``KEEP``."""
    keep = (
        select(Job.id)
        .where(Job.kind == kind, Job.name == name)
        .order_by(Job.started_at.desc())
        .limit(KEEP)
    )
    session.execute(
        delete(Job).where(
            Job.kind == kind,
            Job.name == name,
            Job.state != RUNNING,
            Job.id.not_in(keep.scalar_subquery()),
        )
    )


def events_after(session: Session, job_id: str, number: int) -> Sequence[JobEvent]:
    """A job's events behind ``number``, in order."""
    return session.scalars(
        select(JobEvent)
        .where(JobEvent.job_id == job_id, JobEvent.number > number)
        .order_by(JobEvent.number)
    ).all()
