"""The stock ``openstack`` command as the bootstrapped admin of a service on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any


def openstack_lines(url: str, password: str, *lines: str) -> list[Any]:
    """Run commands in one process of the stock client; gives the JSON that each printed."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "OS_AUTH_URL": f"{url}/identity/v3",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
    }
    done = subprocess.run(
        [str(Path(sys.executable).parent / "openstack")],
        input="\n".join(lines) + "\n",
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stderr == "", done.stderr
    return _values(done.stdout)


def _values(text: str) -> list[Any]:
    """Every JSON object or list in what was printed; progress may stand before one on its line."""
    decoder, found = json.JSONDecoder(), []
    while match := re.search(r"[{\[]", text):
        text = text[match.start() :]
        try:
            value, end = decoder.raw_decode(text)
        except json.JSONDecodeError:
            text = text[1:]
            continue
        found.append(value)
        text = text[end:]
    return found
