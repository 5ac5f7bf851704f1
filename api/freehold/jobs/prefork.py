"""Keeps the process beside the service that has Ansible imported (``plugins/prefork``).

It makes runs start sooner and decides nothing: a run whose server is not there, not ready or made
for another environment is run by the real ``ansible-playbook``. Nothing of Ansible is imported
here; the two programs share a socket and a protocol of one request.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

# Longest mark of a run that the server can show in its place, see ``Mark`` in its source.
MARK_BYTES = 512


class AnsibleServer:
    """Starts and ends the server; any number of threads may use one.

    Args:
        programs: The checkout's ``plugins/prefork``.
        folder: For its socket; its own user's alone.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._socket = folder / "ansible.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def socket(self) -> Path:
        """Where it listens once it is ready."""
        return self._socket

    def environment(self, path: str) -> dict[str, str]:
        """What a run needs in its environment to ask the server; ``path`` is its PATH so far."""
        return {
            "PATH": f"{self._programs / 'bin'}:{path}",
            "FREEHOLD_ANSIBLE_SERVER": str(self._socket),
        }

    def keep_running(self, environment: Mapping[str, str]) -> None:
        """Start the server for runs of this environment unless it runs; does not wait for it."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            self._socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._socket.unlink(missing_ok=True)
            self._process = subprocess.Popen(
                [sys.executable, str(self._programs / "server.py"), str(self._socket)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env={**environment, "FREEHOLD_RUN": "." * MARK_BYTES},
                start_new_session=True,
            )

    def stop(self) -> None:
        """End the server; it would end by itself when this process does."""
        with self._lock:
            if self._process is None:
                return
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None
            self._socket.unlink(missing_ok=True)
