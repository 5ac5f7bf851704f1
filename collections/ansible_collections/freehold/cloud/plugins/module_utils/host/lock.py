# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One converging run at a time on a host: a run whose worker died may still be at work."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from typing import Any

PATH = "/run/freehold-host.lock"
_WAIT_S = 30
_POLL_S = 0.2


@contextlib.contextmanager
def host_lock(module: Any) -> Iterator[None]:
    """Hold the host for a changing run; fail the module when another holds it for too long.

    The kernel frees the lock when the holder ends, however it ends.
    """
    if module.check_mode:
        yield
        return
    with open(PATH, "a") as file:
        deadline = time.monotonic() + _WAIT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    module.fail_json(
                        msg=f"Another run has held {PATH} for {_WAIT_S} s; it ends or times out by "
                        "itself, then try again",
                        error={"code": "HOST_BUSY", "message": PATH, "retry": "later"},
                    )
                time.sleep(_POLL_S)
        yield
