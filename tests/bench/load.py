"""Load over keep-alive HTTP on loopback: so many clients, each asking as soon as it is answered.

The client is as cheap as can be (prepared bytes, a blocking socket a thread), because it shares the
machine with the service that it measures. Loops are bounded in time and in count.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class Refused(Exception):
    """An answer of another status than the measurement expects: its figure would mean nothing."""


class NothingLeft(Exception):
    """An operation has used up what it works on; its client stops, which is no failure."""


class Connection:
    """One client's keep-alive connection to a service on loopback."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self.token = token
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and read its answer whole.

        Args:
            body: Bytes as they are, anything else as JSON.

        Raises:
            Refused: The status is not ``expect``.
        """
        content = body if isinstance(body, bytes) else b"" if body is None else _json(body)
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        if self.token:
            lines.append(f"X-Auth-Token: {self.token}")
        if body is not None:
            kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
            lines += [f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + content)
        answer = self._answer()
        if answer.status != expect:
            told = answer.body[:300].decode(errors="replace")
            raise Refused(f"{method} {path}: {answer.status} and not {expect}: {told}")
        return answer

    def _answer(self) -> Answer:
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            self._receive()
        head, self._read = self._read[:end], self._read[end + 4 :]
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        parts = [self._read]
        missing = length - len(self._read)
        while missing > 0:
            parts.append(self._chunk())
            missing -= len(parts[-1])
        self._read = b""
        return Answer(int(first.split(" ", 2)[1]), headers, b"".join(parts))

    def _receive(self) -> None:
        self._read += self._chunk()

    def _chunk(self) -> bytes:
        chunk = self._socket.recv(262_144)
        if not chunk:
            raise ConnectionError("the service closed the connection")
        return chunk

    def close(self) -> None:
        """Give the connection back."""
        self._socket.close()


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Measured:
    """What a run came to: operations a second, times and processor time of one in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float


Operation = Callable[[Connection], object]
"""What is timed: one request, or the few that make one thing."""


def load(
    connect: Callable[[], Connection],
    operation: Operation,
    *,
    clients: int,
    seconds: float,
    most: int,
    cpu_s: Callable[[], float],
) -> Measured:
    """Let ``clients`` repeat ``operation`` for ``seconds``, ``most`` times together at most.

    Args:
        cpu_s: Processor time that the service has used; unlike the rest, what a request takes of
            it hardly depends on what else the machine does.

    Raises:
        Refused: An answer was not the expected one, in any client.
    """
    connections = [connect() for _ in range(clients)]
    for connection in connections[: most // 10]:
        operation(connection)
    before_cpu = cpu_s()
    left = [most // clients] * clients
    times: list[list[float]] = [[] for _ in range(clients)]
    failures: list[BaseException] = []
    gate = threading.Barrier(clients + 1)

    def client(number: int) -> None:
        gate.wait()
        until = time.perf_counter() + seconds
        now = time.perf_counter()
        try:
            while now < until and left[number] > 0 and not failures:
                operation(connections[number])
                before, now = now, time.perf_counter()
                times[number].append(now - before)
                left[number] -= 1
        except NothingLeft:
            return
        except Exception as error:  # noqa: BLE001 - raised by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    gate.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took, used = time.perf_counter() - began, cpu_s() - before_cpu
    for connection in connections:
        connection.close()
    if failures:
        raise failures[0]
    return measured([one for each in times for one in each], took, used)


def measured(times: list[float], took: float, used: float) -> Measured:
    """Rate and percentiles of times in seconds, processor time of each."""
    if not times:
        raise NothingLeft("there was nothing to measure")
    ordered = sorted(times)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000

    return Measured(len(ordered) / took, at(0.50), at(0.99), used / len(ordered) * 1000)


def _json(body: object) -> bytes:
    return json.dumps(body).encode()
