"""Passwords: argon2id, with bounded memory and equal time for users that do not exist.

Parameters are one of OWASP's five equal ones for argon2id: that with the least memory (7 MiB, five
passes, one lane), because it is the fastest where memory is shared (18 ms against 24 ms of 19 MiB
with two passes, on the machine where bcrypt with 12 rounds takes 218 ms) and many at once fit.
Hashes with other parameters stay good: each says its own. At most ``SLOTS`` run at once; at most
``WAITING`` requests wait for a slot, the next is told to come back, so that guessing passwords can
take neither all memory nor all of the service's threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import ForeignKey, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.errors import Unavailable
from freehold.store import Base

MAX_LENGTH = 4096
SLOTS = max(2, os.cpu_count() or 1)
WAITING = 24

_hasher = PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1)
_NOBODY = (
    "$argon2id$v=19$m=7168,t=5,p=1$bm9ib2R5J3Mgc2FsdC4u$0000000000000000000000000000000000000000000"
)
"""A well-formed hash that no password has: what an unknown user is checked against."""


class Password(Base):
    """The hash of a user's password; a user without a row cannot log in with one.

    Attributes:
        failures, failed_at: Wrong passwords in a row and when the last was; see ``lockout``.
    """

    __tablename__ = "passwords"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    hash: Mapped[str]
    changed_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    failed_at: Mapped[datetime | None]


class PastPassword(Base):
    """The hash of a password that a user had before, while the settings want it remembered."""

    __tablename__ = "past_passwords"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    hash: Mapped[str]


class _Slots:
    """Bounds how many hash at once and how many wait."""

    def __init__(self, slots: int, waiting: int) -> None:
        self._admitted = threading.BoundedSemaphore(slots + waiting)
        self._running = threading.BoundedSemaphore(slots)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot.

        Raises:
            Unavailable: Too many are waiting already.
        """
        if not self._admitted.acquire(blocking=False):
            raise Unavailable("Too many password checks are under way; try again in a second.")
        try:
            with self._running:
                yield
        finally:
            self._admitted.release()


_slots = _Slots(SLOTS, WAITING)


def hashed(password: str) -> str:
    """The hash to store. Raises Unavailable when too many are hashing."""
    with _slots.one():
        return _hasher.hash(password)


def matches(password: str, stored: str | None) -> bool:
    """Whether the password has this hash; takes as long for None, which is never matched.

    Raises:
        Unavailable: Too many are checking.
    """
    with _slots.one():
        try:
            return _hasher.verify(stored or _NOBODY, password) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def keep_password(
    session: Session, user_id: str, secret: str, now: datetime, *, history: int = 0
) -> None:
    """Store the hash of a new password; the old one is remembered with ``history`` - 1 others."""
    old = session.get(Password, user_id)
    if old is None:
        session.add(Password(user_id=user_id, hash=secret, changed_at=now))
        return
    if history > 0:
        session.add(PastPassword(user_id=user_id, hash=old.hash))
        session.flush()
    _forget_older(session, user_id, history)
    old.hash, old.changed_at, old.failures, old.failed_at = secret, now, 0, None


def past_hashes(session: Session, user_id: str, history: int) -> list[str]:
    """The hashes that a new password must not match, besides the one of now."""
    newest = select(PastPassword.hash).where(PastPassword.user_id == user_id)
    if history < 2:
        return []
    return list(session.scalars(newest.order_by(PastPassword.id.desc()).limit(history - 1)))


def _forget_older(session: Session, user_id: str, history: int) -> None:
    mine = select(PastPassword.id).where(PastPassword.user_id == user_id)
    kept = mine.order_by(PastPassword.id.desc()).limit(max(0, history - 1))
    session.execute(
        delete(PastPassword).where(PastPassword.user_id == user_id, PastPassword.id.not_in(kept))
    )
