"""The guest image debian-12, built from packages and booted in the stranger's cloud.

After test_plain_machines, whose network and key it uses. Without KVM a boot takes minutes.
"""

from __future__ import annotations

import json

import pytest

from tests.deploy.conftest import Stranger
from tests.support.lab import CHECKOUT, SSH, run, until

pytestmark = pytest.mark.timeout(1800)
USER_DATA = """#cloud-config
write_files:
- path: /etc/was-here
  content: user data ran
"""


@pytest.fixture(scope="module")
def guest(stranger: Stranger) -> tuple[str, ...]:
    """The words that run a command in the guest, once it lets its key in."""
    run(".venv/bin/ansible-playbook", "playbooks/images/debian.yml", timeout=1500)
    (stranger.folder / "user-data").write_text(USER_DATA)
    page = (CHECKOUT / "docs/how-to/images.md").read_text()
    upload = next(line for line in page.splitlines() if "image create debian-12" in line).strip()
    script = f"""
    {upload}
    openstack flavor create small --vcpus 1 --ram 512 --disk 5
    openstack server create pet --image debian-12 --flavor small --network blue --key-name me \
      --security-group open --user-data {stranger.folder}/user-data --wait
    address=$(openstack floating ip create external -f value -c floating_ip_address)
    openstack server add floating ip pet $address
    echo address $address
    """
    env = {
        **stranger.environment,
        "OS_CLOUD": "freehold-admin",
        "PATH": f"{CHECKOUT}/.venv/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    address = run("bash", "-ec", script, env=env, timeout=900).stdout.split()[-1]
    words = (*SSH, "-i", ".lab/id_ed25519", f"debian@{address}")
    until("it lets its key in", lambda: not run(*words, "true", check=False).returncode, 900)
    run(*words, "cloud-init status --wait", timeout=600, check=False)
    return words


def test_cloud_init_finds_nothing_wrong(guest: tuple[str, ...]) -> None:
    told = json.loads(run(*guest, "cloud-init status --format json").stdout)
    assert (told["status"], told["errors"]) == ("done", [])
    assert run(*guest, "systemctl --failed --no-legend").stdout == ""


def test_name_user_data_and_disk_are_the_servers(guest: tuple[str, ...]) -> None:
    assert run(*guest, "hostname").stdout.strip() == "pet"
    assert run(*guest, "sudo cat /etc/was-here").stdout == "user data ran"
    size = int(run(*guest, "df --output=size --block-size=1M / | tail -1").stdout)
    assert size > 4500


def test_the_next_kernel_will_be_found_by_the_boot_loader(guest: tuple[str, ...]) -> None:
    script = "sudo update-initramfs -u && sudo cmp /initrd.img /boot/loader/initrd"
    assert run(*guest, script, check=False, timeout=900).returncode == 0
