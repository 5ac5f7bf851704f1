"""The threads that run operations, so that the event loop never waits for a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 40
T = TypeVar("T")


class Threads:
    """A pool of threads, made as they are needed.

    The standard library's hand-over costs half of what anyio's does, which is a good part of a
    small request.
    """

    def __init__(self, most: int = MOST) -> None:
        self._pool = ThreadPoolExecutor(most, "request")

    async def run(self, work: Callable[[], T]) -> T:
        """Wait for ``work`` without holding the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Take no more work and wait for what runs."""
        self._pool.shutdown()
