"""Three plain Debian machines, made as a stranger's are, and a copy of inventories/example."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.lab import CHECKOUT, run
from tests.support.package_proxy import Forward

PREFIX = "pl"
NETWORK = "10.76.0"
MINE = {
    "FREEHOLD_LAB_PREFIX": PREFIX,
    "FREEHOLD_LAB_NETWORK": f"{NETWORK}.0/24",
    "FREEHOLD_LAB_HYPERVISORS": "2",
    "FREEHOLD_LAB_BASE": "plain",
}
# What a person writes into the copy: her machines, her NICs, her user.
HOSTS = {
    "192.0.2.1": f"{NETWORK}.1",
    "198.51.100.11/24": f"{NETWORK}.41/26",
    "198.51.100.12/24": f"{NETWORK}.42/26",
    "compute": "hv",
}
NICS = {
    "eno2": "ext0",
    "# openvswitch_underlay_interface: eno3": "openvswitch_underlay_interface: tun0",
}


@dataclass(frozen=True)
class Stranger:
    """Somebody with three machines, an inventory of her own and sudo's password."""

    inventory: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Her shell: sudo's password is asked from a file instead of a terminal."""
        return {
            "ANSIBLE_BECOME_PASSWORD_FILE": str(self.folder / "sudo-password"),
            "OS_CLIENT_CONFIG_FILE": str(self.folder / "clouds.yaml"),
        }

    def change(self, file: str, old: str, new: str) -> None:
        """Edit a file of the inventory."""
        path = self.inventory / file
        text = path.read_text()
        assert old in text, f"{file} does not say {old!r}"
        path.write_text(text.replace(old, new))

    def deploy(self, *words: str, check: bool = True) -> str:
        """``site.yml`` as the how-to page runs it; gives what it printed."""
        command = (".venv/bin/ansible-playbook", "-i", str(self.inventory), "playbooks/site.yml")
        done = run(*command, *words, env=self.environment, timeout=1500, check=check)
        return done.stdout + done.stderr


def lab(state: str) -> None:
    """Her machines; not `make cloud-down`, which forgets the clouds.yaml of the checkout too."""
    play = (".venv/bin/ansible-playbook", "-i", "inventories/lab", "playbooks/lab.yml")
    run(*play, "-e", f"lab_machine_state={state}", env=MINE, timeout=900)


@pytest.fixture(scope="session")
def machines() -> Iterator[None]:
    """Plain machines whose package sources are reached through this computer."""
    lab("absent")
    lab("present")
    with ThreadingHTTPServer((f"{NETWORK}.1", 3142), Forward) as proxy:
        serving = threading.Thread(target=proxy.serve_forever, daemon=True)
        serving.start()
        yield
        proxy.shutdown()
        serving.join()
    lab("absent")


@pytest.fixture(scope="session")
def stranger(machines: None, tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """Her copy of the example, filled in as docs/how-to/deploy.md says."""
    folder = tmp_path_factory.mktemp("stranger")
    her = Stranger(folder / "mycloud", folder)
    shutil.copytree(CHECKOUT / "inventories/example", her.inventory)
    (folder / "sudo-password").write_text("ops\n")
    for old, new in HOSTS.items():
        her.change("hosts.yml", old, new)
    for old, new in NICS.items():
        her.change("group_vars/ovn_host.yml", old, new)
    her.change("group_vars/all.yml", "debian", "ops")
    key = CHECKOUT / ".lab/id_ed25519"
    her.change(
        "group_vars/all.yml",
        "# ansible_ssh_private_key_file: ~/.ssh/id_ed25519",
        f"ansible_ssh_private_key_file: {key}",
    )
    seen = f"accept-new -o UserKnownHostsFile={folder}/known_hosts"
    her.change("group_vars/all.yml", "accept-new", seen)
    with (her.inventory / "group_vars/control_plane.yml").open("a") as settings:
        settings.write(f"control_plane_clouds_yaml: {folder}/clouds.yaml\n")
    return her
