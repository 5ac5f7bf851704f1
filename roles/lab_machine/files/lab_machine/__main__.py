"""Command line: ``python3 -m lab_machine --lab FILE VERB [MACHINE…]``.

Prints a JSON object ``{"changed": [sentence, …]}`` for the role; faults go to stderr.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import sys
from pathlib import Path

from . import definition, lab
from .supervisor import Supervisor


def main() -> int:
    """Run one verb on one lab; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lab_machine", description="Machines of the lab.")
    parser.add_argument("--lab", type=Path, required=True, help="the lab's lab.json")
    parser.add_argument(
        "verb", choices=["check", "up", "stop", "crash", "down", "status", "supervise"]
    )
    parser.add_argument("machines", nargs="*", help="default: all of the lab")
    asked = parser.parse_args()
    try:
        return act(definition.read(asked.lab), asked.verb, asked.machines)
    except definition.LabError as error:
        print(error, file=sys.stderr)
        return 1


def act(wanted: definition.Lab, verb: str, names: list[str]) -> int:
    """Do what was asked and say what changed."""
    if verb == "supervise":
        delegated = lab.systemd_runs_the_computer()
        return Supervisor(wanted, wanted.machine(names[0]), delegated=delegated).run()
    if verb == "status":
        print("\n".join(lab.status(wanted)))
        return 0
    with (wanted.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two people, one lab
        if not (wanted.folder / "lab.json").exists():
            raise definition.LabError(f"lab {wanted.name} was removed meanwhile")
        done: list[str] = []
        if verb == "check":
            lab.check(wanted)
        elif verb == "up":
            done = lab.up(wanted, names)
        elif verb in ("stop", "crash"):
            done = lab.stop(wanted, names, crash=verb == "crash")
        else:
            done = lab.down(wanted)
    print(json.dumps({"changed": done}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
