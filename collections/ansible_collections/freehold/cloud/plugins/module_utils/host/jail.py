# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A program that opens what a tenant wrote runs where there is nothing else to open.

The jail is a passing service of systemd's: its own user without any right, a file system that has
the program and the named files and no more, no network, no devices, and limits of memory, time
and file length. Whoever takes the program over by a file it reads has those files and nothing of
the host. There is no way around it: where the jail cannot be made, the program does not run.
Source: systemd.exec(5), systemd.resource-control(5).
"""

from __future__ import annotations

import contextlib
import grp
import os
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.host.command import run_command

# Made by the role hypervisor; nothing else runs as this user, and nothing is its own.
USER = "freehold-jail"
_PROPERTIES = (
    "CapabilityBoundingSet=",
    "NoNewPrivileges=yes",
    # An empty file system, mounted over a folder of the role's (over the host's own root it would
    # have no effect): what is not bound into it is not there.
    "RootDirectory=/usr/local/lib/freehold",
    "MountAPIVFS=yes",
    "TemporaryFileSystem=/:ro",
    "BindReadOnlyPaths=/usr /lib /lib64 -/etc/ld.so.cache",
    "TemporaryFileSystem=/usr/local:ro",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectProc=invisible",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "PrivateDevices=yes",
    "PrivateNetwork=yes",
    "PrivateIPC=yes",
    "RestrictAddressFamilies=AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "LimitCORE=0",
    # The second holds also where a container has no control groups to give.
    "MemoryMax=1G",
    "LimitAS=2G",
    "TasksMax=64",
)
# The service ends itself at its limit; its caller waits a little longer for the word of it.
_GRACE_S = 15
# So no two jails share the user, and no two lend one file.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Reach:
    """The files that a jailed program has: absolute paths, the same inside and outside."""

    read: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def jail_command(
    command: list[str],
    reach: Reach,
    file_limit_bytes: int,
    timeout_s: float,
    unit: str,
    user: str = USER,
) -> list[str]:
    """The words that run a program in a jail, and end as it ends."""
    properties = [
        f"User={user}",
        f"Group={user}",
        *_PROPERTIES,
        *(f"BindReadOnlyPaths={path}" for path in reach.read),
        *(f"BindPaths={path}" for path in reach.changed),
        f"LimitFSIZE={file_limit_bytes}",
        f"RuntimeMaxSec={timeout_s:.0f}",
    ]
    return [
        *("systemd-run", "--wait", "--pipe", "--collect", "--service-type=exec"),
        f"--unit={unit}",
        *(f"--property={one}" for one in properties),
        "--",
        *command,
    ]


def run_jailed(
    command: list[str],
    reach: Reach,
    file_limit_bytes: int,
    timeout_s: float = 120,
    user: str = USER,
) -> None:
    """Run a program that ends by itself, jailed.

    Raises:
        CloudError: HOST_NOT_PREPARED, when the jail's user is missing; JAILED_COMMAND_FAILED, with
            the program's own words, or systemd's where there was no jail to be had.
    """
    unit = f"freehold-jail-{uuid.uuid4()}"
    with _ONE_AT_A_TIME, _lent(reach, user):
        try:
            run_command(
                jail_command(command, reach, file_limit_bytes, timeout_s, unit, user),
                timeout_s + _GRACE_S,
            )
        except CloudError as error:
            raise CloudError(
                "JAILED_COMMAND_FAILED",
                f"{command[0]}, which runs only in a jail, did not do its work: {error.message}; "
                f"see: journalctl -u {unit}",
            ) from None


@contextlib.contextmanager
def _lent(reach: Reach, user: str) -> Iterator[None]:
    """Let the jail's group into files that are closed to all but their owner; close them again.

    What a killed run left open is closed by the next one, and is open to no one but jails.
    """
    try:
        group = grp.getgrnam(user).gr_gid
    except KeyError:
        raise CloudError(
            "HOST_NOT_PREPARED",
            f"The user {user} is missing, as whom disks are read; run playbooks/site.yml for "
            "this host",
        ) from None
    closed = [path for path in reach.read if not os.stat(path).st_mode & 0o004]
    try:
        for path in closed:
            os.chown(path, -1, group, follow_symlinks=False)
            os.chmod(path, 0o640)
        for path in reach.changed:
            os.chown(path, -1, group, follow_symlinks=False)
            os.chmod(path, 0o660)
        yield
    finally:
        for path in (*closed, *reach.changed):
            with contextlib.suppress(FileNotFoundError):
                os.chmod(path, 0o600)
                os.chown(path, -1, 0, follow_symlinks=False)
