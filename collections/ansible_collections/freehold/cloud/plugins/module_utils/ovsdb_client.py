# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small client of an OVSDB server (RFC 7047): one connection, one request at a time.

It knows JSON-RPC and transactions, and nothing of any schema. Python's own library is enough, so a
host needs no package for it.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError

_CHUNK_BYTES = 256 * 1024


class Refused(Exception):
    """The server refused a transaction; nothing of it was done.

    ``error`` is the server's word for it (RFC 7047 section 5.2: ``timed out``, ``constraint
    violation``, …), ``details`` its sentence, ``index`` the operation's place, or the number of
    operations when the commit as a whole was refused.
    """

    def __init__(self, error: str, details: str, index: int) -> None:
        super().__init__(f"{error}: {details}" if details else error)
        self.error = error
        self.details = details
        self.index = index


def address_of(remote: str) -> tuple[int, Any]:
    """Turn ``unix:PATH`` or ``tcp:HOST:PORT`` into a socket family and its address.

    Raises:
        CloudError: REMOTE_INVALID for anything else.
    """
    scheme, _colon, rest = remote.partition(":")
    if scheme == "unix" and rest:
        return socket.AF_UNIX, rest
    host, _colon, port = rest.rpartition(":")
    if scheme == "tcp" and host and port.isdigit():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return family, (host.strip("[]"), int(port))
    raise CloudError(
        "REMOTE_INVALID", f"{remote!r} is neither unix:PATH nor tcp:HOST:PORT", "never"
    )


class Messages:
    """Cuts a byte stream into JSON values; OVSDB puts nothing between them.

    A value is complete only where the bytes end in a closing brace, so parsing is tried there
    alone; a long reply is not parsed again for each chunk of it.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[dict[str, Any]]:
        """Take bytes, give the values that are complete now."""
        self._rest += chunk
        if not self._rest.endswith(b"}"):
            return []
        try:
            text = self._rest.decode("utf-8")
        except UnicodeDecodeError:
            return []
        decoder, values, position = json.JSONDecoder(), [], 0
        while position < len(text):
            try:
                value, position = decoder.raw_decode(text, position)
            except ValueError:
                break
            values.append(value)
        self._rest = text[position:].encode("utf-8")
        return values


class OvsdbClient:
    """A connection to one OVSDB server.

    ``bytes_received`` counts what the server sent, so that a test can hold us to "cost follows
    the change".
    """

    def __init__(self, remote: str, timeout_s: float = 20.0) -> None:
        """Connect.

        Raises:
            CloudError: OVSDB_UNREACHABLE when nobody listens there.
        """
        self.remote = remote
        self.bytes_received = 0
        self._timeout_s = timeout_s
        self._messages = Messages()
        self._waiting: list[dict[str, Any]] = []
        self._next_id = 0
        family, address = address_of(remote)
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise self._unreachable(str(error)) from None

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> OvsdbClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def transact(self, database: str, operations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Run operations as one transaction; return one result for each.

        Raises:
            Refused: nothing was done.
            CloudError: OVSDB_UNREACHABLE; whether the transaction was committed is not known, so
                the caller has to look again.
        """
        reply = self._call("transact", [database, *operations])
        if reply.get("error"):
            fault = reply["error"]
            details = fault if isinstance(fault, str) else json.dumps(fault)
            raise Refused("request refused", details, 0)
        results: list[dict[str, Any]] = reply["result"]
        for index, result in enumerate(results):
            if result and "error" in result:
                raise Refused(result["error"], result.get("details", ""), index)
        return results

    def _call(self, method: str, params: list[Any]) -> dict[str, Any]:
        self._next_id += 1
        self._send({"method": method, "params": params, "id": self._next_id})
        deadline = time.monotonic() + self._timeout_s
        while True:
            message = self._receive(deadline)
            if message.get("method") == "echo":
                # The server's keep-alive: unanswered, it would hang up (RFC 7047 section 4.1.11).
                self._send({"id": message["id"], "result": message["params"], "error": None})
            elif message.get("id") == self._next_id and "method" not in message:
                return message

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(message).encode("ascii"))
        except OSError as error:
            raise self._unreachable(str(error)) from None

    def _receive(self, deadline: float) -> dict[str, Any]:
        while not self._waiting:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise self._unreachable(f"no answer within {self._timeout_s:g} s")
            self._socket.settimeout(left_s)
            try:
                chunk = self._socket.recv(_CHUNK_BYTES)
            except OSError as error:
                raise self._unreachable(str(error)) from None
            if not chunk:
                raise self._unreachable("the server hung up")
            self.bytes_received += len(chunk)
            self._waiting.extend(self._messages.feed(chunk))
        return self._waiting.pop(0)

    def _unreachable(self, why: str) -> CloudError:
        return CloudError(
            "OVSDB_UNREACHABLE",
            f"The OVSDB server at {self.remote} does not answer: {why}. "
            "Look at ovn-central on this host (systemctl status ovn-central)",
        )
