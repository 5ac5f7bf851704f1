"""The table of servers, and finding one as a caller may see it.

A row holds what is wanted; what is comes from the host's results (``jobs.Converged``). The flavor
and the key are kept as they were when the server was made, so that changing or deleting them
changes no server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, lazyload, mapped_column, relationship

from freehold.errors import NotFound
from freehold.http import Call
from freehold.jobs import Converged
from freehold.store import Base, lock_row, new_id

POWER_ON, POWER_OFF = "on", "off"
POWER_PAUSED, POWER_SUSPENDED = "paused", "suspended"
REBOOT_SOFT, REBOOT_HARD = "soft", "hard"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ServerTag(Base):
    """One tag of one server."""

    __tablename__ = "server_tags"

    server_id: Mapped[str] = mapped_column(
        ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(primary_key=True, index=True)


class Server(Converged, Base):
    """One server.

    Attributes:
        host: Name of the host it was placed on; None when placement found none.
        availability_zone: The zone that was asked for (it stays pinned there), None for any.
        flavor: ``name``, ``ephemeral_gib``, ``swap_mib``, ``extra_specs`` at creation; what sums
            are made of stands in columns.
        disk_gib: What its disk takes of the host: ``root_gib``, or where that is 0 its image's
            size.
        power: What is wanted: ``on``, ``off``, ``paused`` or ``suspended``.
        boot_serial: Grows with every request to start or reboot (docs/reference/documents.md).
        booted_serial: The ``boot_serial`` that a host has answered for with the domain running
            and its ports bound; 0 until the server was ACTIVE for the first time.
        disk_serial: Grows with every request to make the disk anew (rebuild).
        made_serial: The ``disk_serial`` that a host has answered for.
        reboot: How the boot that is wanted was asked for: ``soft``, ``hard``, or None for a start.
        locked_by: ``owner``, ``admin`` or None.
        sealed_password: ``adminPass``, encrypted by the vault; kept and used as the seed is.
        random_seed: Base64, goes to the config drive; kept so that the drive can be made again.
    """

    __tablename__ = "servers"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(index=True)
    user_id: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    hostname: Mapped[str]
    host: Mapped[str | None] = mapped_column(ForeignKey("hosts.name"), index=True)
    availability_zone: Mapped[str | None]
    image_id: Mapped[str] = mapped_column(index=True)
    flavor_id: Mapped[str]
    flavor: Mapped[dict[str, Any]]
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    root_gib: Mapped[int]
    disk_gib: Mapped[int] = mapped_column(server_default="0")
    key_name: Mapped[str | None]
    key: Mapped[dict[str, Any] | None]
    user_data: Mapped[str | None] = mapped_column(deferred=True)
    random_seed: Mapped[str] = mapped_column(deferred=True)
    sealed_password: Mapped[bytes | None] = mapped_column(deferred=True, default=None)
    meta: Mapped[dict[str, Any]] = mapped_column(default=dict)
    access_ip_v4: Mapped[str | None]
    access_ip_v6: Mapped[str | None]
    disk_config: Mapped[str] = mapped_column(default="MANUAL")
    reservation_id: Mapped[str] = mapped_column(index=True)
    launch_index: Mapped[int] = mapped_column(default=0)
    power: Mapped[str] = mapped_column(default=POWER_ON)
    boot_serial: Mapped[int] = mapped_column(default=1)
    booted_serial: Mapped[int] = mapped_column(default=0)
    disk_serial: Mapped[int] = mapped_column(default=1, server_default="1")
    made_serial: Mapped[int] = mapped_column(default=1, server_default="1")
    reboot: Mapped[str | None] = mapped_column(default=None)
    locked_by: Mapped[str | None] = mapped_column(default=None)
    locked_reason: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime] = mapped_column(index=True)
    launched_at: Mapped[datetime | None] = mapped_column(default=None)

    tag_rows: Mapped[list[ServerTag]] = relationship(
        lazy="selectin",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by=ServerTag.tag,
    )

    @property
    def tags(self) -> list[str]:
        """Its tags in order."""
        return [row.tag for row in self.tag_rows]

    @property
    def instance_name(self) -> str:
        """The domain's name on its host; nothing that a tenant wrote."""
        return f"fh-{self.id}"

    @property
    def policy_target(self) -> Mapping[str, Any]:
        """What policy rules about it look at."""
        return {"project_id": self.project_id, "user_id": self.user_id}


def find_server(call: Call, server_id: str, rule: str) -> Server:
    """The server, if the caller may do ``rule`` on it; locked against others when the call writes.

    Its tags are read when they are looked at, so that the time of a refusal does not tell that
    there is a server.

    Raises:
        NotFound: There is none that the caller may know of: one of another project is answered
            exactly like an unknown id.
        Forbidden: It is in the caller's project, but policy says no.
    """
    server = None
    if _ID.fullmatch(server_id):
        server = call.session.get(Server, server_id, options=[lazyload(Server.tag_rows)])
    hidden = server is not None and (
        server.project_id != call.caller.project_id and not call.may(rule, server.policy_target)
    )
    if server is None or hidden:
        raise NotFound(f"Instance {server_id} could not be found.")
    call.enforce(rule, server.policy_target)
    if call.request.method not in ("GET", "HEAD"):
        lock_row(call.session, server)
    return server
