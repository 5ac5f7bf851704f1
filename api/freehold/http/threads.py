"""The threads that run operations, so that the event loop never waits for a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TypeVar

MOST = 40
T = TypeVar("T")


class Lane(Enum):
    """What a piece of work may make others wait with: those of its own lane only."""

    READ = "read"
    WRITE = "write"
    WAIT = "wait"
    """It hashes a password or asks a machine, which takes long and needs no interpreter."""


class Threads:
    """Threads by lane, made as they are needed.

    Python runs one thread at a time, and threads that take it from each other cost up to half of
    what they do. Where the database is in this process too (SQLite), so that no read ever waits
    for anything outside, reads follow each other in one thread, and so do writes, which the
    database takes one by one anyway. The standard library's hand-over costs half of what anyio's
    does.

    Args:
        side_by_side: Reads and writes wait for a database outside and do so at the same time.
    """

    def __init__(self, *, side_by_side: bool) -> None:
        most = MOST if side_by_side else 1
        self._pools = {
            Lane.READ: ThreadPoolExecutor(most, "read"),
            Lane.WRITE: ThreadPoolExecutor(most, "write"),
            Lane.WAIT: ThreadPoolExecutor(MOST, "wait"),
        }

    async def run(self, work: Callable[[], T], lane: Lane = Lane.READ) -> T:
        """Wait for ``work`` without holding the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pools[lane], work)

    def close(self) -> None:
        """Take no more work and wait for what runs."""
        for pool in self._pools.values():
            pool.shutdown()
