"""JSON-RPC framing and keep-alive, as RFC 7047 section 4 has them."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.ovsdb_client import (
    Messages,
    OvsdbClient,
    address_of,
)
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)


@given(st.lists(OBJECTS, max_size=5), st.booleans(), st.data())
def test_messages_come_whole_however_the_bytes_are_cut(
    objects: list[dict[str, object]], ascii_only: bool, data: st.DataObject
) -> None:
    stream = "".join(json.dumps(one, ensure_ascii=ascii_only) for one in objects)
    content = stream.encode("utf-8", "surrogatepass")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
    messages, got = Messages(), []
    for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        got += messages.feed(content[start:end])
    assert got == objects


def test_a_keep_alive_is_answered_while_we_wait(tmp_path: Path) -> None:
    """ovsdb-server asks after some idle seconds and hangs up on who does not answer."""
    path = tmp_path / "peer.sock"
    heard: list[dict[str, object]] = []

    def peer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            request = json.loads(connection.recv(65536))
            connection.sendall(b'{"id":"echo","method":"echo","params":["a"]}')
            heard.append(json.loads(connection.recv(65536)))
            answer = {"id": request["id"], "error": None, "result": [{"rows": []}]}
            connection.sendall(json.dumps(answer).encode())

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=peer, args=(listener,))
        thread.start()
        with OvsdbClient(f"unix:{path}", timeout_s=10) as client:
            assert client.transact("db", [{"op": "select"}]) == [{"rows": []}]
        thread.join(10)
    assert heard == [{"id": "echo", "result": ["a"], "error": None}]


def test_a_peer_that_hangs_up_or_stays_silent_is_told(tmp_path: Path) -> None:
    path = tmp_path / "peer.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with (
            OvsdbClient(f"unix:{path}", timeout_s=0.05) as client,
            pytest.raises(CloudError, match=r"no answer within|timed out"),
        ):
            client.transact("db", [])
        with OvsdbClient(f"unix:{path}", timeout_s=10) as client:
            for _ in range(2):
                listener.accept()[0].close()
            with pytest.raises(CloudError, match=r"hung up|Broken pipe|reset") as error:
                client.transact("db", [])
    assert error.value.retry == "later"


@pytest.mark.parametrize("remote", ["", "unix:", "ssl:host:6641", "tcp:host", "tcp::1", "tcp:h:x"])
def test_a_remote_that_is_none_is_refused(remote: str) -> None:
    with pytest.raises(CloudError, match=r"neither unix:PATH nor tcp:HOST:PORT"):
        address_of(remote)


def test_remotes() -> None:
    assert address_of("unix:/a:b") == (socket.AF_UNIX, "/a:b")
    assert address_of("tcp:127.0.0.1:6641") == (socket.AF_INET, ("127.0.0.1", 6641))
    assert address_of("tcp:[::1]:6641") == (socket.AF_INET6, ("::1", 6641))
