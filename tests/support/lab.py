"""The lab as tests see it: ``make``, the ``openstack`` command, shells, a look at what is there."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
SSH = (
    *("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"),
    *("-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=3"),
    # A guest whose packets are dropped in the middle of a session is given up after this.
    *("-o", "ServerAliveInterval=2", "-o", "ServerAliveCountMax=3"),
)
OWNED_TABLES = (
    "Logical_Switch",
    "Logical_Switch_Port",
    "Logical_Router",
    "Logical_Router_Port",
    "Port_Group",
    "ACL",
    "NAT",
    "DHCP_Options",
    "Gateway_Chassis",
    "Logical_Router_Static_Route",
)

COUNT_ROWS = """
import json, sqlite3
database = sqlite3.connect("file:/var/lib/freehold/freehold.sqlite?mode=ro", uri=True)
grows = {"audit_records", "jobs", "job_events", "revocations", "targets", "alembic_version"}
grows |= {"instance_actions", "instance_action_events", "sqlite_sequence", "deleted_images"}
tables = [row[0] for row in database.execute("select name from sqlite_master where type='table'")]
count = lambda name: database.execute(f"select count(*) from {name}").fetchone()[0]
print(json.dumps({name: count(name) for name in tables if name not in grows}))
"""


def run(
    *words: str, check: bool = True, timeout: float = 300, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in the checkout; a failure shows what it printed."""
    done = subprocess.run(
        words,
        cwd=CHECKOUT,
        # ssh leaves a shared stdin non-blocking, which the next Ansible refuses.
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(words)} ended with {done.returncode}\n"
            f"{done.stdout[-6000:]}\n{done.stderr[-4000:]}"
        )
    return done


def until(what: str, condition: Callable[[], Any], within_s: float = 90) -> Any:
    """Ask until it is true; returns what it said."""
    deadline = time.monotonic() + within_s
    while True:
        if said := condition():
            return said
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(0.5)


@dataclass
class Lab:
    """One running lab."""

    addresses: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_inventory(cls) -> Lab:
        """The lab that inventories/lab names."""
        told = run(".venv/bin/ansible-inventory", "-i", "inventories/lab", "--list").stdout
        hosts = json.loads(told)["_meta"]["hostvars"]
        return cls(
            {
                name: about["ansible_host"]
                for name, about in hosts.items()
                if "ansible_host" in about
            }
        )

    @property
    def hypervisors(self) -> list[str]:
        """Names of the hypervisors."""
        return sorted(name for name in self.addresses if name.startswith("hv"))

    def shell(self, machine: str, script: str, *, check: bool = True, timeout: float = 120) -> str:
        """Run a script on a machine as root; gives its output."""
        key = str(CHECKOUT / ".lab" / "id_ed25519")
        return run(
            *SSH, "-i", key, f"root@{self.addresses[machine]}", script, check=check, timeout=timeout
        ).stdout

    def freehold(self, words: str, *, check: bool = True) -> str:
        """The operator's command on the control host."""
        return self.shell("control", f"freehold {words}", check=check)

    def openstack(self, *words: str, cloud: str = "demo") -> str:
        """The stock client; gives what it prints."""
        return run(".venv/bin/openstack", *words, env={"OS_CLOUD": cloud}).stdout

    def show(self, *words: str, cloud: str = "demo") -> Any:
        """The same with ``-f json``."""
        return json.loads(self.openstack(*words, "-f", "json", cloud=cloud))

    def guest(
        self, address: str, script: str, *, check: bool = True, key: str = ".lab/demo_key"
    ) -> subprocess.CompletedProcess[str]:
        """Run a script in a guest over ssh."""
        return run(*SSH, "-i", key, f"root@{address}", script, check=check, timeout=60)

    def lets_in(self, address: str, key: str = ".lab/demo_key") -> bool:
        """Whether the guest lets the key in."""
        return self.guest(address, "true", check=False, key=key).returncode == 0

    def traces(self) -> dict[str, Any]:
        """Everything a tenant's things could leave behind, on every machine and in the database."""
        found: dict[str, Any] = {}
        for name in self.hypervisors:
            found[f"{name} domains"] = self.shell(name, "virsh list --all --name").split()
            found[f"{name} folders"] = self.shell(name, "ls /var/lib/freehold/servers").split()
            found[f"{name} switch ports"] = self.shell(name, "ovs-vsctl list-ports br-int").split()
        for table in OWNED_TABLES:
            rows = self.shell(
                "control", f"ovn-nbctl --bare --no-headings --columns=_uuid list {table}"
            ).split()
            found[f"OVN {table}"] = sorted(rows)
        found["rows"] = self.rows()
        return found

    def rows(self) -> dict[str, int]:
        """Rows in every table of tenants' things; tables that only grow are left out."""
        counted: dict[str, int] = json.loads(
            self.shell("control", f"python3 - <<'PY'\n{COUNT_ROWS}\nPY")
        )
        return counted
