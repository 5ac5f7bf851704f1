# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was seen on a host: plain values that the planner compares with what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError

# Domain states as results name them.
ON, OFF, PAUSED, CRASHED, ABSENT = "on", "off", "paused", "crashed", "absent"
# Off, with its memory kept on disk: it goes on where it was.
SUSPENDED = "suspended"


@dataclass(frozen=True)
class HostTraits:
    """What the host can do, as the hypervisor role probed it; changes seldom."""

    virt_type: str = "qemu"
    cpu_model: str = "qemu64"
    datapath: str = "netdev"


@dataclass(frozen=True)
class ImageSeen:
    """An image in the host's cache: whole and checked, or it would not be there."""

    disk_format: str
    virtual_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class DiskSeen:
    """A server's disk: the size that the guest sees, and the image that it stands on."""

    virtual_bytes: int
    image_id: str


@dataclass(frozen=True)
class ServerSeen:
    """A server's traces on the host: its domain, its folder, its ports on the integration bridge.

    ``boot_serial``, ``disk_serial``, ``definition`` and ``drive`` are what the domain's metadata
    recorded when it was last started, given its disk, defined and given its config drive; None, 1
    and "" when nothing is recorded.
    """

    power: str = ABSENT
    boot_serial: int | None = None
    definition: str = ""
    drive: str = ""
    disk_serial: int = 1
    disk: DiskSeen | None = None
    has_folder: bool = False
    # Ports that the running domain has (not only its definition).
    plugged: frozenset[str] = frozenset()
    # Port id -> whether OVN has installed its flows; ports that are on the bridge only.
    bound: Mapping[str, bool] = field(default_factory=dict)
    # Interfaces that Open vSwitch still has for this server, though no running domain uses them.
    left_interfaces: tuple[str, ...] = ()
    # Why this server could not be looked at (the others could); nothing is planned for it then.
    problem: CloudError | None = None

    @property
    def runs(self) -> bool:
        return self.power in (ON, PAUSED)


@dataclass(frozen=True)
class SnapshotSeen:
    """Whether the image that a snapshot becomes has its data; or why that could not be asked."""

    uploaded: bool
    problem: CloudError | None = None


@dataclass(frozen=True)
class HostSeen:
    """One look at a host; holds what the document names, and more only where that is said."""

    images: Mapping[str, ImageSeen] = field(default_factory=dict)
    servers: Mapping[str, ServerSeen] = field(default_factory=dict)
    snapshots: Mapping[str, SnapshotSeen] = field(default_factory=dict)
    # Image id -> servers whose disks stand on it; looked at only when an image is to go.
    image_users: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # All images and servers of ours on the host; looked at only with scope ``all``.
    all_images: frozenset[str] = frozenset()
    all_servers: frozenset[str] = frozenset()

    def server(self, id_: str) -> ServerSeen:
        return self.servers.get(id_, ServerSeen())
