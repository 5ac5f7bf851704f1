"""Real OVN databases for tests: started in a folder of their own, ended by their process."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import read_document
from ansible_collections.freehold.cloud.plugins.module_utils.lifecycle import run
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import (
    DATABASE,
    ROOT_TABLES,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.sections import SECTIONS
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.target import NetworkTarget
from ansible_collections.freehold.cloud.plugins.module_utils.ovsdb_client import OvsdbClient

SCHEMAS = Path("/usr/share/ovn")
# Columns that ovn-northd or the server fill.
NOT_OURS = {"_version", "up", "nb_cfg", "sb_cfg", "hv_cfg", "options_of_NB_Global"}


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextmanager
def process(arguments: list[str], log: Path, ready: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run until the block ends; enter it when somebody listens on the socket ``ready``."""
    with log.open("wb") as output:
        running = subprocess.Popen(arguments, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 20
            while not listens(ready):
                if running.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{arguments[0]} did not start: {log.read_text()}")
                time.sleep(0.01)
            yield running
        finally:
            running.terminate()
            running.wait(10)


@contextmanager
def ovsdb_server(folder: Path, *schemas: str) -> Iterator[dict[str, str]]:
    """One ovsdb-server for each schema (``ovn-nb``, ``ovn-sb``); gives their remotes."""
    if not schemas:
        yield {}
        return
    name = schemas[0]
    database, path = folder / f"{name}.db", folder / f"{name}.sock"
    subprocess.run(
        ["ovsdb-tool", "create", database, SCHEMAS / f"{name}.ovsschema"], check=True, timeout=20
    )
    arguments = ["ovsdb-server", "--no-chdir", f"--unixctl={folder}/{name}.ctl"]
    arguments += [f"--remote=punix:{path}", str(database)]
    with (
        process(arguments, folder / f"{name}.log", path),
        ovsdb_server(folder, *schemas[1:]) as rest,
    ):
        yield {name: f"unix:{path}", **rest}


@dataclass
class Northbound:
    """A northbound database and the lifecycle on it."""

    remote: str

    def client(self) -> OvsdbClient:
        return OvsdbClient(self.remote)

    def converge(self, document: dict[str, Any], check: bool = False) -> dict[str, Any]:
        return self.converge_with_diff(document, check)[0]

    def converge_with_diff(
        self, document: dict[str, Any], check: bool = False
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        with self.client() as client:
            wanted = read_document(json.dumps(document), "network", SECTIONS)
            return run(wanted, NetworkTarget(client), check)

    def rows(self, table: str) -> list[dict[str, Any]]:
        select = {"op": "select", "table": table, "where": []}
        with self.client() as client:
            found: list[dict[str, Any]] = client.transact(DATABASE, [select])[0]["rows"]
        return found

    def dump(self) -> dict[str, list[str]]:
        """All rows of all tables without what others write, in a form that can be compared."""
        schema = json.loads((SCHEMAS / "ovn-nb.ovsschema").read_text())
        return {
            table: sorted(
                json.dumps({k: v for k, v in row.items() if k not in NOT_OURS}, sort_keys=True)
                for row in self.rows(table)
            )
            for table in schema["tables"]
            if table != "NB_Global"
        }

    def wipe(self) -> None:
        """Empty the database, so that a failed example does not fail the next one as well."""
        self.edit(*({"op": "delete", "table": table, "where": []} for table in ROOT_TABLES))

    def edit(self, *operations: dict[str, Any]) -> None:
        """What an operator does behind our back."""
        with self.client() as client:
            client.transact(DATABASE, operations)


def outcomes(result: dict[str, Any]) -> dict[str, str]:
    return {entry["id"]: entry["outcome"] for entry in result["resources"]}


def entry(result: dict[str, Any], id_: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in result["resources"] if one["id"] == id_)
    return found
