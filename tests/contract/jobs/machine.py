"""A machine that is a folder: a file a server, a line in ``made`` each time one is made.

Run by Ansible as ``machine.py FOLDER DOCUMENT RESULT``. While the folder has a file ``hold`` it
stands still in the middle of its work and says so in ``held``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def converge(folder: Path, document: Path, result: Path) -> None:
    """Do what the document says, as the modules do: look first, change only what differs."""
    wanted = json.loads(document.read_text())
    for server in wanted["servers"]:
        place = folder / server["id"]
        if server["state"] == "removed":
            place.unlink(missing_ok=True)
        elif not place.exists():
            place.touch()
            with (folder / "made").open("a") as made:
                made.write(f"{server['id']}\n")
        hold(folder)
    entries = [entry("server", server) for server in wanted["servers"]]
    entries += [entry("image", image) for image in wanted["images"]]
    said = {"format": 1, "target": wanted["target"], "check": False, "changed": True}
    rest: dict[str, Any] = {"resources": entries, "unknown": [], "facts": {}}
    result.write_text(json.dumps(said | rest))


def entry(kind: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """The result of a resource that is as wanted now."""
    found: dict[str, Any] = {"present": wanted["state"] == "present"}
    if kind == "server":
        found = {name: wanted.get(name) for name in ("power", "boot_serial", "disk_serial")}
        found["ports"] = {}
    return {
        "type": kind,
        "id": wanted["id"],
        "generation": wanted["generation"],
        "outcome": "changed",
        "found": found,
        "steps": [],
        "error": None,
    }


def hold(folder: Path) -> None:
    """Stand still for as long as the test wants."""
    if (folder / "hold").exists():
        (folder / "held").write_text(str(os.getpid()))
    while (folder / "hold").exists():
        time.sleep(0.02)


if __name__ == "__main__":
    converge(*map(Path, sys.argv[1:]))
