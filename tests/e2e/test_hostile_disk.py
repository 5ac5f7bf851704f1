"""A disk whose header names a file of its host gives nothing of it away (invariant 10).

The header is what somebody can write who has broken out of a guest into its QEMU.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.host.jail import Reach, jail_command

from tests.support.lab import Lab, run, until

SECRET = "/etc/passwd"
"""A file that every user of the host may read: only the jail keeps it back."""
WORDS = "root:x:0:0"


@dataclass(frozen=True)
class Idle:
    """A server that is off, and where its disk is."""

    id: str
    host: str

    @property
    def folder(self) -> str:
        return f"/var/lib/freehold/servers/{self.id}"


@pytest.fixture(scope="module")
def idle(cloud: Lab) -> Iterator[Idle]:
    made = cloud.show(
        *("server", "create", "hostile-disk", "--image", "tiny", "--flavor", "tiny"),
        *("--nic", "none", "--wait"),
    )
    folders = {
        name: cloud.shell(name, "ls /var/lib/freehold/servers") for name in cloud.hypervisors
    }
    server = Idle(made["id"], next(name for name in folders if made["id"] in folders[name]))
    cloud.shell(server.host, f"virsh destroy fh-{server.id}")
    yield server
    cloud.openstack("server", "delete", "--wait", server.id)


def test_who_breaks_out_of_a_guest_cannot_write_its_image(cloud: Lab, idle: Idle) -> None:
    """All disks on the host that were made of it would change with it."""
    told = _while_it_runs(
        cloud,
        idle,
        f"disk={idle.folder}/disk.qcow2; qemu='runuser -u libvirt-qemu --'\n"
        "image=$(qemu-img info -U $disk | sed -n 's/^backing file: //p')\n"
        "stat -c %U $image; $qemu test -r $image && echo reads\n"
        "$qemu dd if=/dev/null of=$image conv=notrunc 2>&1 | grep -o 'Permission denied'\n"
        "$qemu test -w $disk && echo writes its own",
    )
    assert told == ["root", "reads", "Permission denied", "writes its own"]


def test_a_rewritten_header_hands_no_file_to_the_guests_user(cloud: Lab, idle: Idle) -> None:
    """Libvirt starts guests with their host, when nobody has looked at their disks before."""
    disk, file = f"{idle.folder}/disk.qcow2", "/var/lib/freehold/hostile-disk"
    cloud.shell(idle.host, f"install -m 600 /dev/null {file}; cp -p {disk} {disk}.kept")
    try:
        cloud.shell(idle.host, f"qemu-img rebase -q -u -F raw -b {file} {disk}")
        assert _while_it_runs(cloud, idle, f"stat -c %U:%a {file}") == ["root:600"]
    finally:
        cloud.shell(idle.host, f"rm {file}; mv {disk}.kept {disk}")


def _while_it_runs(cloud: Lab, idle: Idle, script: str) -> list[str]:
    domain = f"fh-{idle.id}"
    steps = f"virsh start {domain} >/dev/null; trap 'virsh destroy {domain} >/dev/null' EXIT"
    return cloud.shell(idle.host, f"set -e; {steps}\n{script}").splitlines()


def test_the_disk_of_a_guest_that_is_off_becomes_an_image(cloud: Lab, idle: Idle) -> None:
    made = cloud.show("server", "image", "create", "--name", "idle", "--wait", idle.id)
    assert made["status"] == "active"
    cloud.openstack("image", "delete", made["id"])
    left = cloud.shell(idle.host, f"ls {idle.folder}; stat -c %a:%G {idle.folder}/disk.qcow2")
    assert ".part" not in left
    assert "600:root" in left


def test_the_jail_shows_a_tool_nothing_but_the_named_files(cloud: Lab, idle: Idle) -> None:
    """The tool is told to believe the header: unjailed it copies the host's file, jailed not."""
    folder = f"{idle.folder}/try"
    disk, copy = f"{folder}/disk.qcow2", f"{folder}/copy"
    convert = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk, copy]
    jailed = jail_command(convert, Reach((disk,), (copy,)), 2**30, 60, "freehold-jail-try")
    told = cloud.shell(
        idle.host,
        f"set -eu; mkdir {folder}; chmod 711 {folder}; cd {folder}; trap 'rm -r {folder}' EXIT\n"
        f"qemu-img create -q -u -f qcow2 -F raw -b {SECRET} {disk} 1M\n"
        f"{shlex.join(convert)}; grep -c {WORDS} copy; : >copy\n"
        f"chgrp freehold-jail {disk} copy; chmod 660 {disk} copy\n"
        f"{shlex.join(jailed)} 2>&1 && echo made; tr -d '\\0' <copy | wc -c",
    )
    leaked, *said, jailed_bytes = told.splitlines()
    assert leaked == "1", "unjailed, the tool does not follow the header: this test shows nothing"
    assert jailed_bytes == "0", told
    assert f"Could not open '{SECRET}': No such file or directory" in "".join(said)
    assert "made" not in said


def test_a_rewritten_header_is_told_and_leaks_nothing(cloud: Lab, idle: Idle) -> None:
    disk = f"{idle.folder}/disk.qcow2"
    rewrite = f"cp -p {disk} {disk}.kept && qemu-img rebase -q -u -F raw -b {SECRET} {disk}"
    cloud.shell(idle.host, rewrite)
    try:
        # Not shown afterwards: an image that can never be is gone at once.
        words = ("server", "image", "create", "--name", "leak", idle.id)
        run(".venv/bin/openstack", *words, env={"OS_CLOUD": "demo"}, check=False)
        why = f"{disk} is refused: it names a backing file that is none of the host's images"
        until("the job tells", lambda: why in cloud.freehold("job list"), 30)
        until("no image is left", lambda: not cloud.show("image", "list", "--name", "leak"), 30)
        assert ".part" not in cloud.shell(idle.host, f"ls {idle.folder}")
    finally:
        cloud.shell(idle.host, f"mv {disk}.kept {disk}")
