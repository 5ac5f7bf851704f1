# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the host asks of Open vSwitch: which ports are bound, and which interfaces are left over.

Speaks to the database over its socket (RFC 7047), so that a question costs what its answer costs
and not a copy of the database.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.host.command import run_command
from ansible_collections.freehold.cloud.plugins.module_utils.host.domain_xml import (
    INTEGRATION_BRIDGE,
)

SOCKET = "/run/openvswitch/db.sock"
_TIMEOUT_S = 10
_POLL_S = 0.2


def _select(conditions: list[list[Any]]) -> list[list[dict[str, Any]]]:
    """Rows of the Interface table, one list a condition, all from one transaction."""
    operations = [
        {
            "op": "select",
            "table": "Interface",
            "where": [condition],
            "columns": ["name", "external_ids"],
        }
        for condition in conditions
    ]
    request = {"method": "transact", "params": ["Open_vSwitch", *operations], "id": 1}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(SOCKET)
            connection.sendall(json.dumps(request).encode())
            reply = _receive(connection)
    except (OSError, ValueError) as error:
        raise CloudError(
            "OPEN_VSWITCH_UNREACHABLE",
            f"Open vSwitch does not answer at {SOCKET}: {error}; "
            "see: systemctl status openvswitch-switch",
        ) from None
    answers = reply.get("result") or []
    if reply.get("error") or len(answers) != len(operations):
        raise CloudError("OPEN_VSWITCH_UNREACHABLE", f"Open vSwitch refused: {reply.get('error')}")
    return [answer["rows"] for answer in answers]


def _receive(connection: socket.socket) -> dict[str, Any]:
    """One JSON value; they follow each other without a separator."""
    content = b""
    while True:
        chunk = connection.recv(65536)
        if not chunk:
            raise ValueError("the connection ended early")
        content += chunk
        # A reply ends in a brace; parse only then, or long replies are parsed over and over.
        if content.rstrip().endswith(b"}"):
            try:
                return dict(json.loads(content))
            except json.JSONDecodeError:
                continue


def _external_id(key: str, value: str) -> list[Any]:
    return ["external_ids", "includes", ["map", [[key, value]]]]


def bound_ports(port_ids: Iterable[str]) -> dict[str, bool]:
    """Of the ports that are on the bridge: whether OVN has installed their flows."""
    ids = list(port_ids)
    if not ids:
        return {}
    bound = {}
    for id_, rows in zip(ids, _select([_external_id("iface-id", id_) for id_ in ids]), strict=True):
        if rows:
            bound[id_] = any(dict(row["external_ids"][1]).get("ovn-installed") for row in rows)
    return bound


def wait_until_bound(port_ids: Iterable[str], timeout_s: float) -> None:
    """Wait until all ports are bound, or the time is over; the next look tells which."""
    ids = list(port_ids)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        bound = bound_ports(ids)
        if all(bound.get(id_) for id_ in ids):
            return
        time.sleep(_POLL_S)


def interfaces_of(server_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Names of the interfaces that libvirt made for these servers (it notes the domain's id)."""
    ids = list(server_ids)
    if not ids:
        return {}
    found = _select([_external_id("vm-id", id_) for id_ in ids])
    return {
        id_: tuple(sorted(row["name"] for row in rows))
        for id_, rows in zip(ids, found, strict=True)
        if rows
    }


def remove_interface(name: str) -> None:
    run_command(["ovs-vsctl", "--timeout=10", "--if-exists", "del-port", INTEGRATION_BRIDGE, name])
