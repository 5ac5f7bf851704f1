"""A host that boots again brings back the guests that were wanted on it, and no others."""

from __future__ import annotations

from tests.support.lab import Lab, until

BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


def test_a_host_brings_back_the_guests_that_ran_and_no_others(cloud: Lab) -> None:
    first = cloud.show("server", "show", "first", cloud="demo")
    address = first["addresses"]["private"][-1]
    (host,) = [
        name for name in cloud.hypervisors if first["id"] in cloud.shell(name, "virsh list --uuid")
    ]
    asleep = cloud.show(
        *("server", "create", "asleep", "--image", "tiny", "--flavor", "tiny"),
        *("--network", "private", "--wait"),
    )
    cloud.openstack("server", "stop", asleep["id"])
    off = "virsh list --all --uuid --state-shutoff"
    (its_host,) = until(
        "it is off",
        lambda: [name for name in cloud.hypervisors if asleep["id"] in cloud.shell(name, off)],
    )
    before = cloud.guest(address, BOOT_ID).stdout
    for name in {host, its_host}:
        cloud.shell(name, "systemctl reboot", check=False)

    def came_back() -> bool:
        found = cloud.guest(address, BOOT_ID, check=False)
        return found.returncode == 0 and found.stdout != before

    until("the guest was booted with its host", came_back, 180)
    listed = until("its host answers", lambda: cloud.shell(its_host, off, check=False), 60)
    assert asleep["id"] in listed
    cloud.openstack("server", "delete", "--wait", asleep["id"])
