"""Machines on paper: a Runner that answers a document as obedient machines would.

Stands only at the runner's port, for tests of what the service makes of answers; that real machines
answer so is what the lab's end-to-end tests show. Every document and result is checked against the
written schemas, so paper cannot drift from the contract unseen.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from freehold.jobs.run import Outcome, Run, RunEvent

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "documents"
LISTS = {
    "images": "image",
    "snapshots": "snapshot",
    "servers": "server",
    "networks": "network",
    "subnets": "subnet",
    "security_groups": "security_group",
    "ports": "port",
    "routers": "router",
    "floating_ips": "floating_ip",
}
FACTS = {
    "vcpus": 8,
    "memory_mib": 16384,
    "disk_gib": 100,
    "virt_type": "qemu",
    "hypervisor_version": 7002000,
    "cpu_model": "qemu64",
}


def validate(name: str, document: object) -> None:
    """Check a document (``host``, ``network``) or a ``result`` against its written schema."""
    _validator(name).validate(document)


@cache
def _validator(name: str) -> Any:
    """Checked itself once: that takes longer than all documents of a test."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


class PaperMachines:
    """Obeys every document; remembers what it was given.

    Attributes:
        runs: Every run, in order.
        spoil: Changes a result before it is handed back; None hands back as it is.
        gate: Runs wait here until it is set; set from the start.
    """

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.spoil: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(
        self,
        run: Run,
        on_event: Callable[[RunEvent], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Answer one run."""
        self.runs.append(run)
        while not self.gate.wait(0.02):
            if cancelled():
                return Outcome("canceled", None, "cancelled")
        on_event(RunEvent(1, "runner_on_ok", run.limit, "paper", {"changed": True}))
        if run.document is None:
            return Outcome("successful", {"output": "a console line\n"})
        document = json.loads(json.dumps(run.document))
        validate(document["target"]["kind"], document)
        result: dict[str, Any] | None = self._obey(document)
        validate("result", result)
        if self.spoil is not None and result is not None:
            result = self.spoil(result)
        if result is None:
            return Outcome("failed", None, f"{run.limit}: paper: unreachable")
        return Outcome("successful", result)

    def clear(self) -> None:
        """Nothing is left of paper."""

    def _obey(self, document: dict[str, Any]) -> dict[str, Any]:
        entries = [
            self._entry(kind, wanted)
            for name, kind in LISTS.items()
            for wanted in document.get(name, [])
        ]
        facts = FACTS if document["target"]["kind"] == "host" else {}
        return {
            "format": 1,
            "target": document["target"],
            "check": False,
            "changed": bool(entries),
            "resources": entries,
            "unknown": [],
            "facts": facts,
        }

    def _entry(self, kind: str, wanted: dict[str, Any]) -> dict[str, Any]:
        present = wanted["state"] == "present"
        return {
            "type": kind,
            "id": wanted["id"],
            "generation": wanted["generation"],
            "outcome": "changed",
            "found": _found(kind, wanted, present),
            "steps": [f"{kind} {wanted['id']} is as wanted"],
            "error": None,
        }


def _found(kind: str, wanted: dict[str, Any], present: bool) -> dict[str, Any]:
    if kind == "server":
        if not present:
            return {"power": "absent"}
        return {
            "power": wanted["power"],
            "boot_serial": wanted["boot_serial"],
            "disk_serial": wanted["disk_serial"],
            "ports": {port["id"]: {"bound": True} for port in wanted["ports"]},
        }
    if kind == "port":
        return {"up": present}
    return {"present": present}
