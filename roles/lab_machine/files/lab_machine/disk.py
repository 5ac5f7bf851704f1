"""A machine's disk: one base shared by all, what the machine wrote above it, and its identity."""

from __future__ import annotations

import json
import os
import shutil
import stat
import uuid
from pathlib import Path

from .command import run
from .definition import Lab, LabError, Machine

# Modes that a machine's own udev would give to these devices; others get root's only.
DEVICE_MODES = {"net/tun": 0o666, "fuse": 0o666, "kvm": 0o660}

# What systemd-nspawn leaves when it is killed.
NSPAWN_RUN = Path("/run/systemd/nspawn")


def folder(lab: Lab, machine: Machine) -> Path:
    """Where everything of a machine is."""
    return lab.folder / "machines" / machine.name


def root(lab: Lab, machine: Machine) -> Path:
    """Where the machine's disk is mounted."""
    return folder(lab, machine) / "root"


def mounted_below(path: Path) -> list[str]:
    """Mount points at or below a path, the deepest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if Path(point).is_relative_to(path):
            found.append(point)
    return sorted(found, reverse=True)


def mount(lab: Lab, machine: Machine) -> list[str]:
    """Mount a machine's disk, made anew if there is none; returns what was done.

    Raises:
        LabError: The machine was made as something else, or the mount fails.
    """
    place = folder(lab, machine)
    born = place / "born.json"
    wanted = {"address": str(machine.address), "gateway": lab.gateway}
    done = []
    if not born.exists():
        remove(lab, machine)
        for part in ("upper", "work", "root"):
            (place / part).mkdir(parents=True)
    elif {k: v for k, v in json.loads(born.read_text()).items() if k != "base"} != wanted:
        raise LabError(
            f"machine {machine.name} was made with other addresses ({born}); remove the lab with "
            "`make cloud-down`, then make it again"
        )
    if not mounted_below(root(lab, machine)):
        base = json.loads(born.read_text())["base"] if born.exists() else str(lab.base)
        options = f"lowerdir={base},upperdir={place}/upper,workdir={place}/work"
        run("mount", "-t", "overlay", machine.label, "-o", options, str(root(lab, machine)))
        done.append(f"disk of machine {machine.name} mounted")
    if not born.exists():
        _give_identity(lab, machine)
        born.write_text(json.dumps({**wanted, "base": str(lab.base)}))
    return done + _let_in(lab, machine)


def outdated(lab: Lab, machine: Machine) -> bool:
    """Whether the machine stands on another base than a new one would."""
    born = folder(lab, machine) / "born.json"
    return born.exists() and json.loads(born.read_text())["base"] != str(lab.base)


def remove(lab: Lab, machine: Machine) -> list[str]:
    """Unmount and delete everything of a machine; returns what was done.

    Raises:
        LabError: Something below is still mounted; nothing is deleted then.
    """
    place = folder(lab, machine)
    if not place.exists():
        return []
    top = root(lab, machine)
    if mounted_below(top):
        there = top.stat()
        (NSPAWN_RUN / f"locks/inode-{there.st_dev}:{there.st_ino}").unlink(missing_ok=True)
    for kind in ("propagate", "unix-export"):
        shutil.rmtree(NSPAWN_RUN / kind / machine.label, ignore_errors=True)
    for point in mounted_below(place):
        run("umount", point)
    if left := mounted_below(place):
        raise LabError(f"{left[0]} is still mounted; find its user with `fuser -vm {left[0]}`")
    shutil.rmtree(place)
    return [f"disk of machine {machine.name} removed"]


def devices(lab: Lab, machine: Machine) -> dict[Path, Path]:
    """Make the machine's own device nodes: node on the computer → place in the machine.

    Own nodes, so that an owner or mode that the machine sets does not change the computer's
    ``/dev``. Devices that the computer lacks are left out.
    """
    nodes = {}
    kvm_group = _group_id(lab.base, "kvm")
    for name in lab.devices:
        original = Path("/dev", name)
        if not original.exists() or not stat.S_ISCHR(original.stat().st_mode):
            continue
        node = folder(lab, machine) / "dev" / name.replace("/", "-")
        node.parent.mkdir(exist_ok=True)
        node.unlink(missing_ok=True)
        os.mknod(node, stat.S_IFCHR | 0o600, original.stat().st_rdev)
        node.chmod(DEVICE_MODES.get(name, 0o600))
        if name == "kvm":
            os.chown(node, 0, kvm_group)
        nodes[node] = original
    return nodes


def host_key(lab: Lab, machine: Machine) -> str:
    """The public key by which a machine is known over ssh."""
    return (root(lab, machine) / "etc/ssh/ssh_host_ed25519_key.pub").read_text().strip()


def _give_identity(lab: Lab, machine: Machine) -> None:
    etc = root(lab, machine) / "etc"
    (etc / "machine-id").write_text(uuid.uuid4().hex + "\n")
    (etc / "hostname").write_text(machine.name + "\n")
    (etc / "hosts").write_text(
        f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{machine.address.ip} {machine.name}\n"
    )
    (etc / "resolv.conf").write_text("# A lab machine has no name server.\n")
    if lab.plain:
        _configure_plain(lab, machine, etc)
    else:
        (etc / "systemd/network/10-lab-host0.network").write_text(
            "[Match]\nName=host0\n\n[Network]\n"
            f"Address={machine.address}\nGateway={lab.gateway}\nIPv6AcceptRA=no\n"
        )
    key = etc / "ssh/ssh_host_ed25519_key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", machine.name, "-f", str(key))


def _configure_plain(lab: Lab, machine: Machine, etc: Path) -> None:
    """The management NIC as Debian's installer writes it down; NICs without use are not named."""
    (etc / "network/interfaces").write_text(
        "auto lo host0\niface lo inet loopback\niface host0 inet static\n"
        f"    address {machine.address}\n    gateway {lab.gateway}\n"
    )
    # systemd has settings of its own for a container's NIC; hardware has none.
    (etc / "systemd/network/80-container-host0.network").symlink_to("/dev/null")
    if lab.apt_proxy:
        (etc / "apt/apt.conf.d/90lab-proxy").write_text(
            f'Acquire::http::Proxy "{lab.apt_proxy}";\n'
        )


def _let_in(lab: Lab, machine: Machine) -> list[str]:
    """The lab's key opens the machine; keys that others put there stay."""
    home = root(lab, machine) / (f"home/{lab.user}" if lab.plain else "root")
    authorized = home / ".ssh/authorized_keys"
    authorized.parent.mkdir(mode=0o700, exist_ok=True)
    keys = authorized.read_text().splitlines() if authorized.exists() else []
    if lab.authorized_key in keys:
        return []
    authorized.write_text("\n".join([*keys, lab.authorized_key]) + "\n")
    authorized.chmod(0o600)
    owner = home.stat()
    for path in (authorized.parent, authorized):
        os.chown(path, owner.st_uid, owner.st_gid)
    return [f"machine {machine.name} lets the lab's key in"]


def _group_id(base: Path, name: str) -> int:
    for line in (base / "etc/group").read_text().splitlines():
        found, _, number, *_ = line.split(":")
        if found == name:
            return int(number)
    return 0
