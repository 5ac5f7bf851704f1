"""Answers that are still true: those that were read from a database that has not changed since.

Clients wait by asking again and again, and ``list`` is asked more than anything is changed. What a
GET answers is made of its request, of the database and, to the second, of the clock; so an answer
is given again to the very same request for a second at most, and only while the database says that
nothing was committed. One that was committed is therefore always seen (decision 0009).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from starlette.types import Scope

from freehold.store import utc_now

if TYPE_CHECKING:
    from freehold.http.call import Reply

GOOD = timedelta(seconds=1)
MOST_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Question:
    """A request and when it came.

    Attributes:
        version: The database's, read before anything else of it is.
        head: All of the request that an answer may depend on: its target and every header.
        asked: When it came, by the clock that tokens end by.
    """

    version: Hashable
    head: tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]]
    asked: datetime = field(default_factory=utc_now, compare=False)

    @property
    def size(self) -> int:
        """Bytes."""
        path, query, headers = self.head
        return len(path) + len(query) + sum(len(name) + len(value) for name, value in headers)


class Answers:
    """The answers of the database's newest version, ``MOST_BYTES`` of them."""

    def __init__(self) -> None:
        self._newest: Hashable = None
        self._kept: dict[Question, tuple[Reply, datetime, datetime]] = {}
        self._bytes = 0

    def question(self, scope: Scope, version: Hashable) -> Question | None:
        """What is asked; None if it must be answered afresh.

        That is so if the client says ``Cache-Control: no-cache`` (RFC 9111, 5.2.1.4), or if there
        is no ``version`` (``Store.version``).
        """
        headers = scope["headers"]
        for name, value in headers:
            if name == b"cache-control" and b"no-cache" in value.lower():
                return None
        if version is None:
            return None
        if version != self._newest:
            self._kept, self._bytes, self._newest = {}, 0, version
        path = scope.get("raw_path") or scope["path"].encode()
        return Question(version, (path, scope["query_string"], tuple(headers)))

    def find(self, question: Question) -> Reply | None:
        """The answer, if there is one that is true now; none is if the clock was put back."""
        if (kept := self._kept.get(question)) is None:
            return None
        reply, since, until = kept
        return reply if since <= question.asked < until else None

    def keep(self, question: Question, reply: Reply, ends: datetime | None = None) -> None:
        """Remember what was answered, its body as bytes.

        Args:
            ends: When the answer is over by itself (with the caller's token), if it is.
        """
        size = question.size + len(reply.body or b"")
        if question.version != self._newest or size > MOST_BYTES:
            return
        if self._bytes + size > MOST_BYTES:
            self._kept, self._bytes = {}, 0
        until = question.asked + GOOD
        if ends is not None:
            until = min(until, ends)
        self._kept[question] = reply, question.asked, until
        self._bytes += size
