"""The values that placement works with: a host's room, and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from freehold.compute.capacity import Used
from freehold.config import Config
from freehold.hosts import Host


@dataclass(frozen=True)
class Room:
    """One host as placement sees it.

    Attributes:
        enabled: The operator lets servers on it.
        described: A run has told what it has.
        vcpus: Physical ones: no server gets more than these.
        vcpus_shared, memory_mib, disk_gib: What may be given away in all, after ratios and reserve.
        used: What servers have of it.
    """

    name: str
    zone: str
    enabled: bool
    described: bool
    vcpus: int
    vcpus_shared: int
    memory_mib: int
    disk_gib: int
    used: Used = field(default_factory=Used)

    @property
    def free_vcpus(self) -> int:
        """Shared vCPUs left."""
        return self.vcpus_shared - self.used.vcpus

    @property
    def free_memory_mib(self) -> int:
        """Memory left."""
        return self.memory_mib - self.used.memory_mib

    @property
    def free_disk_gib(self) -> int:
        """Disk left."""
        return self.disk_gib - self.used.disk_gib


@dataclass(frozen=True)
class Request:
    """What one server needs; ``zone`` and ``host`` None mean any."""

    vcpus: int
    memory_mib: int
    disk_gib: int
    zone: str | None = None
    host: str | None = None


def room_of(host: Host, used: Used, config: Config) -> Room:
    """A host's room after the operator's ratios and reserve."""
    facts = host.facts
    vcpus = int(facts.get("vcpus", 0))
    memory_mib = int(facts.get("memory_mib", 0)) - config.reserved_host_memory_mib
    return Room(
        name=host.name,
        zone=host.availability_zone,
        enabled=host.enabled,
        described=host.is_described,
        vcpus=vcpus,
        vcpus_shared=int(vcpus * config.cpu_allocation_ratio),
        memory_mib=int(max(memory_mib, 0) * config.memory_allocation_ratio),
        disk_gib=int(int(facts.get("disk_gib", 0)) * config.disk_allocation_ratio),
        used=used,
    )
