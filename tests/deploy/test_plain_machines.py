"""docs/how-to/deploy.md, followed word for word on three plain Debian machines.

Slow (packages are installed from Debian's archive): ``make deploy-test``, as root.
"""

from __future__ import annotations

import re

import pytest

from tests.deploy.conftest import HOSTS, NETWORK, Stranger
from tests.support.lab import CHECKOUT, SSH, run, until

pytestmark = pytest.mark.timeout(1800)

# What a person puts in place of the page's examples.
OWN = {
    "$PWD/clouds.yaml": "$OS_CLIENT_CONFIG_FILE",
    "203.0.113.0/24": f"{NETWORK}.128/25",
    "203.0.113.1 ": f"{NETWORK}.129 ",
    "203.0.113.100": f"{NETWORK}.200",
    "203.0.113.199": f"{NETWORK}.220",
    "~/.ssh/id_ed25519.pub": ".lab/id_ed25519.pub",
}


def commands(section: str) -> str:
    """The indented lines of a section of the page, as one script."""
    page = (CHECKOUT / "docs/how-to/deploy.md").read_text()
    told = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
    script = "\n".join(line[4:] for line in told.splitlines() if line.startswith("    "))
    for theirs, ours in OWN.items():
        assert theirs in script, f"the page no longer says {theirs!r}"
        script = script.replace(theirs, ours)
    return script


def changed(told: str) -> dict[str, int]:
    """Host → changed, from the recap."""
    found = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", told, re.M)
    return {host: int(count) for host, count in found}


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("hosts.yml", f"{NETWORK}.12", f"{NETWORK}.11", "hv1 and hv2 have the same ansible_host"),
        ("hosts.yml", f"{NETWORK}.42/26", "", "hv2: openvswitch_tunnel_address is"),
        ("group_vars/ovn_host.yml", "ext0", "eno2", "hv2: ovn_host_external_interface is eno2"),
        ("group_vars/ovn_host.yml", "ext0", "host0", "host0, which has the address"),
    ],
)
def test_a_wrong_inventory_is_told_before_anything_is_changed(
    stranger: Stranger, file: str, old: str, new: str, words: str
) -> None:
    sound = (stranger.inventory / file).read_text()
    stranger.change(file, old, new)
    try:
        told = stranger.deploy(check=False)
    finally:
        (stranger.inventory / file).write_text(sound)
    assert words in " ".join(told.split())
    assert set(changed(told).values()) == {0}


def test_plain_machines_become_a_cloud(stranger: Stranger) -> None:
    told = stranger.deploy()
    assert all(changed(told).values())


def test_the_second_run_changes_nothing(stranger: Stranger) -> None:
    told = stranger.deploy()
    assert set(changed(told)) == {"control", "hv1", "hv2"}
    assert set(changed(told).values()) == {0}, told[-4000:]


def test_the_pages_first_contents_end_with_a_server_that_lets_its_key_in(
    stranger: Stranger,
) -> None:
    script = commands("First contents")
    lines, last = script.rsplit("\n", 1)
    assert last == "ssh root@$address"
    env = {**stranger.environment, "PATH": f"{CHECKOUT}/.venv/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    done = run("bash", "-ec", f"{lines}\necho address $address", env=env, timeout=600)
    address = done.stdout.split()[-1]
    guest = (*SSH, "-i", ".lab/id_ed25519", f"root@{address}", "hostname")
    until("the guest lets the key in", lambda: not run(*guest, check=False).returncode)
    assert run(*guest).stdout.strip() == "one"


def test_the_inventory_has_nothing_left_of_the_example(stranger: Stranger) -> None:
    text = (stranger.inventory / "hosts.yml").read_text()
    assert not [word for word in HOSTS if word in text]
