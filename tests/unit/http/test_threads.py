"""Who waits holds up nobody; reads and writes take turns where the database is in the process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from freehold.http import ApiVersion, Call, Later, Routes
from freehold.http.threads import Lane, Threads
from tests.support.service import Service

WAIT_S = 30


def test_what_waits_for_a_machine_or_a_hash_holds_up_nobody(service: Service) -> None:
    begun, release = threading.Semaphore(0), threading.Event()

    def wait() -> str:
        begun.release()
        assert release.wait(WAIT_S)
        return "waited"

    def ask(call: Call) -> Later:
        return Later(wait)

    def hash_something(call: Call) -> str:
        return wait()

    def answer(call: Call) -> str:
        return "at once"

    table = Routes(ApiVersion("freehold", "v1", "/v1", "2026-11-21T00:00:00Z"))
    table.add("GET", "/machine", ask, policy=None)
    table.add("POST", "/password", hash_something, policy=None, writes=False)
    table.add("GET", "/one", answer, policy=None)
    table.add("POST", "/one", answer, policy=None)
    for endpoint in table.endpoints:
        service.app.serve(endpoint)
    with ThreadPoolExecutor() as pool:
        try:
            slow = [
                pool.submit(service.client().request, method, path)
                for method, path in [("GET", "/v1/machine"), ("POST", "/v1/password")] * 3
            ]
            assert all(begun.acquire(timeout=WAIT_S) for _ in slow)
            for method in ("GET", "POST"):
                assert service.client().request(method, "/v1/one").json() == "at once"
        finally:
            release.set()
        assert [one.result().json() for one in slow] == ["waited"] * len(slow)


def run_twice(threads: Threads, lane: Lane, work: Callable[[], None]) -> None:
    async def both() -> None:
        await asyncio.gather(threads.run(work, lane), threads.run(work, lane))

    asyncio.run(both())
    threads.close()


@pytest.mark.parametrize("lane", [Lane.READ, Lane.WRITE])
def test_with_the_database_in_the_process_one_follows_the_other(lane: Lane) -> None:
    names = set()
    run_twice(Threads(side_by_side=False), lane, lambda: names.add(threading.current_thread().name))
    assert len(names) == 1


@pytest.mark.parametrize("lane", list(Lane))
def test_with_a_database_outside_they_wait_for_it_side_by_side(lane: Lane) -> None:
    met = threading.Barrier(2)
    run_twice(Threads(side_by_side=True), lane, lambda: met.wait(WAIT_S) and None)
    assert not met.broken
