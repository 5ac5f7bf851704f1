"""What a lab is asked to be: values read once from ``lab.json``, which the role writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

LONGEST_LINK_NAME = 15  # IFNAMSIZ less the closing NUL, see netdevice(7)
MANAGEMENT_NIC = "host0"


class LabError(Exception):
    """Something about the lab cannot be; the message says what, where, and what to do next."""


@dataclass(frozen=True)
class Machine:
    """One machine as wanted."""

    name: str
    address: IPv4Interface
    lab: str
    nics: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The machine's name on the computer, where several labs may have an ``hv1``."""
        return f"{self.lab}-{self.name}"

    @property
    def links(self) -> dict[str, str]:
        """Name of the link on the computer → name of the NIC in the machine."""
        return {f"{self.label}-{nic[:2]}": nic for nic in (MANAGEMENT_NIC, *self.nics)}


@dataclass(frozen=True)
class Lab:
    """A lab as wanted; ``folder`` is where all of its state lives.

    ``plain`` machines are what a Debian installation leaves behind, instead of prepared ones.
    """

    name: str
    folder: Path
    base: Path
    bridge: str
    bridge_addresses: tuple[IPv4Interface, ...]
    gateway: str
    devices: tuple[str, ...]
    authorized_key: str
    known_hosts: Path
    machines: tuple[Machine, ...]
    plain: bool = False
    apt_proxy: str = ""

    @property
    def user(self) -> str:
        """Whom the lab's key lets in: root, or on plain machines a user who may use sudo."""
        return "ops" if self.plain else "root"

    def machine(self, name: str) -> Machine:
        """Find a machine by its name.

        Raises:
            LabError: No machine of the lab has this name.
        """
        for machine in self.machines:
            if machine.name == name:
                return machine
        names = ", ".join(m.name for m in self.machines)
        raise LabError(f"lab {self.name} has no machine {name!r}; it has {names}")


def read(path: Path) -> Lab:
    """Read a lab from its file.

    Raises:
        LabError: The file is missing or says something that cannot be built.
    """
    try:
        wanted = json.loads(path.read_text())
        lab = Lab(
            name=wanted["name"],
            folder=path.parent,
            base=Path(wanted["base"]),
            bridge=wanted["bridge"],
            bridge_addresses=tuple(IPv4Interface(a) for a in wanted["bridge_addresses"]),
            gateway=wanted["gateway"],
            devices=tuple(wanted["devices"]),
            authorized_key=wanted["authorized_key"],
            known_hosts=Path(wanted["known_hosts"]),
            machines=tuple(
                Machine(m["name"], IPv4Interface(m["address"]), wanted["name"], tuple(m["nics"]))
                for m in wanted["machines"]
            ),
            plain=wanted.get("plain", False),
            apt_proxy=wanted.get("apt_proxy", ""),
        )
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}; was the lab made?") from error
    except (KeyError, ValueError, TypeError) as error:
        raise LabError(f"{path} is no definition of a lab: {error!r}; run `make lab`") from error
    for machine in lab.machines:
        if len(machine.links) != 1 + len(machine.nics):
            raise LabError(f"machine {machine.name}: two NICs begin with the same two letters")
    for name in (lab.bridge, *(link for m in lab.machines for link in m.links)):
        if len(name) > LONGEST_LINK_NAME:
            raise LabError(
                f"link name {name!r} is longer than {LONGEST_LINK_NAME} characters; "
                "choose a shorter prefix for the lab (FREEHOLD_LAB_PREFIX)"
            )
    return lab
