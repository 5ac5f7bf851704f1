"""Lockout: after so many wrong passwords in a row a user cannot log in with one for a while.

Off by itself (``lockout_attempts = 0``), since whoever knows a name could then lock its owner out.
A locked user's login is refused like any other that is wrong, and takes as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from freehold.identity.password import Password
from freehold.store import Store

IGNORED = "ignore_lockout_failure_attempts"
"""The user option that spares a user."""


@dataclass(frozen=True)
class Lockout:
    """What the settings say.

    Args:
        store: Where failures are counted, in a short write of their own: a login only reads.
        attempts: How many wrong passwords lock; 0 never.
        lasts_s: For how long.
    """

    store: Store
    attempts: int
    lasts_s: int

    def holds(self, user: Any, now: datetime) -> bool:
        """Whether this user (a row with ``failures``, ``failed_at``, ``options``) is locked."""
        if not self._counts(user) or user.failures < self.attempts:
            return False
        return user.failed_at is not None and now < self._end(user.failed_at)

    def failed(self, user: Any, now: datetime) -> None:
        """Count a wrong password; costs the same when there is no such user."""
        if self.attempts <= 0:
            return
        user_id = user.id if user is not None and self._counts(user) else None
        over = user is not None and user.failed_at is not None and now >= self._end(user.failed_at)
        count: Any = 1 if over else Password.failures + 1
        self._write(user_id, failures=count, failed_at=now)

    def passed(self, user: Any) -> None:
        """A right password ends the row of wrong ones."""
        if self.attempts > 0 and user.failures:
            self._write(user.id, failures=0, failed_at=None)

    def _counts(self, user: Any) -> bool:
        return self.attempts > 0 and not (user.options or {}).get(IGNORED)

    def _end(self, failed_at: datetime) -> datetime:
        return failed_at + timedelta(seconds=self.lasts_s)

    def _write(self, user_id: str | None, **values: Any) -> None:
        with self.store.write() as session:
            session.execute(update(Password).where(Password.user_id == user_id).values(**values))
