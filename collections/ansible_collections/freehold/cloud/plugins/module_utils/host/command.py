# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that the host module runs: no shell, no tenant data in arguments, a time limit."""

from __future__ import annotations

import subprocess

from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError


def run_command(command: list[str], timeout_s: float = 120) -> str:
    """Run a program and return what it wrote.

    Raises:
        CloudError: COMMAND_FAILED, with the program and the end of its error output.
    """
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout_s,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CloudError("COMMAND_FAILED", f"{command[0]} failed: {error}", "later") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise CloudError(
            "COMMAND_FAILED", f"{command[0]} ended with {done.returncode}: {said}", "later"
        )
    return done.stdout.decode(errors="replace")
