"""Commands of the computer, with faults that can be read."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from .definition import LabError


def run(*argv: str) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        LabError: It failed; the message has its command line and its last words.
    """
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed; run `make lab` to install it") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise LabError(f"`{' '.join(argv)}` failed: {words}")
    return done.stdout


def run_json(*argv: str) -> Any:
    """Run a command that prints JSON, or nothing at all."""
    return json.loads(run(*argv) or "[]")
