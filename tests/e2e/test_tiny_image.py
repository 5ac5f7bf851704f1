"""The guest image `tiny`, booted in plain QEMU: what its how-to page promises, asked of the guest.

Uses loopback only; needs root for the build and QEMU, no lab.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

CHECKOUT = Path(__file__).parents[2]
SSH = [
    *("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"),
    *("-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=3", "-o", "LogLevel=ERROR"),
]


@dataclass
class Guest:
    """A running guest, its console log, and the ways to speak to it."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int

    @property
    def console(self) -> str:
        return (self.folder / "console.log").read_text(errors="replace")

    def monitor(self, *commands: str) -> None:
        """Send commands to QEMU's monitor, each after the prompt of the one before."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.folder / "monitor"))
            for command in (*commands, ""):
                seen = b""
                while b"(qemu) " not in seen:
                    seen += connection.recv(4096)
                connection.sendall(command.encode() + b"\n")

    def run(self, command: str, user: str = "root", key: str = "first") -> str:
        return subprocess.run(
            [
                *SSH,
                *("-i", str(self.folder / key), "-p", str(self.port)),
                f"{user}@127.0.0.1",
                command,
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    def wait_until(self, command: str, timeout_s: float = 240) -> str:
        """Repeat a command until it succeeds in the guest; return its output."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self.run(command)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise AssertionError(f"{error}\n{self.console[-3000:]}") from error
                time.sleep(0.3)


@pytest.fixture(scope="session")
def image() -> Path:
    output = CHECKOUT / ".lab/images/tiny.qcow2"
    build = CHECKOUT / "roles/image_tiny/files/build-tiny"
    subprocess.run([build, output, CHECKOUT / ".lab/image-tiny-work"], check=True, timeout=120)
    return output


@pytest.fixture(params=["pc", "q35"])
def guest(request: pytest.FixtureRequest, image: Path, tmp_path: Path) -> Iterator[Guest]:
    for name in ("first", "second"):
        comment = f'{name} {{"}}] k\u00e9y'
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", tmp_path / name],
            check=True,
        )
    write_config_drive(tmp_path)
    subprocess.run(
        f"qemu-img create -q -f qcow2 -F qcow2 -b {image} {tmp_path}/disk.qcow2 512M".split(),
        check=True,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        qemu_command(request.param, tmp_path, port), stdin=subprocess.DEVNULL
    )
    try:
        yield Guest(process, tmp_path, port)
    finally:
        process.kill()
        process.wait(10)


def write_config_drive(folder: Path) -> None:
    latest = folder / "drive/openstack/latest"
    latest.mkdir(parents=True)
    keys = {name: (folder / f"{name}.pub").read_text() for name in ("first", "second")}
    meta_data = {
        "uuid": "6d9c5a4e-57a5-4b7f-9a55-5d52c4d0a001",
        "hostname": "guest-one.example",
        "name": "{{ a template }}",
        "meta": {"note": 'quote " and\nline'},
        "public_keys": keys,
    }
    (latest / "meta_data.json").write_text(json.dumps(meta_data))
    (latest / "user_data").write_text("#!/bin/sh\necho ran >>/root/user-data-ran\n")
    subprocess.run(
        ["genisoimage", "-quiet", "-J", "-r", "-V", "config-2", "-o", "drive.iso", "drive"],
        cwd=folder,
        check=True,
    )


def qemu_command(machine: str, folder: Path, port: int) -> list[str]:
    return [
        *("qemu-system-x86_64", "-machine", f"{machine},accel=tcg", "-cpu", "qemu64", "-m", "96"),
        *("-display", "none", "-serial", f"file:{folder}/console.log"),
        *("-monitor", f"unix:{folder}/monitor,server,nowait"),
        *("-drive", f"file={folder}/disk.qcow2,if=virtio"),
        *("-drive", f"file={folder}/drive.iso,if=virtio,format=raw,readonly=on"),
        *("-device", "pcie-root-port,id=spare") * (machine == "q35"),
        *("-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:22"),
        *("-device", "virtio-net-pci,netdev=n0", "-netdev", "user,id=n1,net=10.9.0.0/24"),
    ]


def test_the_image_is_small(image: Path) -> None:
    assert image.stat().st_size < 40 * 1024 * 1024
    subprocess.run(["sha512sum", "-c", f"{image}.sha512"], cwd=image.parent, check=True)


def test_a_guest_is_what_its_config_drive_says(guest: Guest) -> None:
    guest.wait_until("test -f /root/user-data-ran")

    assert guest.run("hostname").strip() == "guest-one"
    assert guest.run("id -un", user="tiny", key="second").strip() == "tiny"
    assert guest.run("cat /root/user-data-ran") == "ran\n"
    meta = guest.run("cat /run/openstack/meta")
    assert ".name\t{{ a template }}\n" in meta
    assert '.meta.note\tquote " and line\n' in meta
    drive = guest.run("blkid -L config-2 -o device").strip()
    guest.run(f"sudo mount {drive} /mnt")
    assert '"name": "{{ a template }}"' in guest.run(
        "sudo cat /mnt/openstack/latest/meta_data.json"
    )
    guest.run("sudo umount /mnt")
    with pytest.raises(subprocess.CalledProcessError, match="status 1"):
        guest.run("sudo true", user="tiny")
    assert "Linux version" in guest.console
    assert "guest-one login:" in guest.console
    size_mib = int(guest.run("df -m / | awk 'NR == 2 {print $2}'"))
    assert size_mib > 400, "the root file system did not grow to the disk"

    boot = guest.run("cat /proc/sys/kernel/random/boot_id").strip()
    guest.run("reboot")
    guest.wait_until(f"! grep -q {boot} /proc/sys/kernel/random/boot_id")
    guest.wait_until("pidof uevent")
    assert guest.run("cat /root/user-data-ran") == "ran\n", "user data ran twice"


def test_plugged_in_hardware_is_used_and_the_power_button_works(guest: Guest) -> None:
    guest.wait_until("pidof uevent")
    subprocess.run(f"qemu-img create -q {guest.folder}/more.raw 8M".split(), check=True)
    is_q35 = "q35" in " ".join(map(str, guest.process.args))  # type: ignore[arg-type]
    bus = ",bus=spare" if is_q35 else ""

    guest.monitor(f"device_add virtio-net-pci,netdev=n1,id=hot{bus}")
    guest.wait_until("ip -4 addr show eth1 | grep -q 10.9.0.")
    if not is_q35:
        guest.monitor(
            f"drive_add 0 if=none,id=more,format=raw,file={guest.folder}/more.raw",
            "device_add virtio-blk-pci,drive=more,serial=more",
        )
        guest.wait_until("grep -q more /sys/block/vd*/serial")

    guest.monitor("system_powerdown")
    assert guest.process.wait(30) == 0
