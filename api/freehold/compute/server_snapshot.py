"""Images of servers: a copy of the disk that the server's host uploads to the image service.

A row stands for one copy that is under way. It goes when the image has its data, and also when that
can never be: the image goes with it then, as in nova.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Rule, Tokens
from freehold.compute import instance_action
from freehold.compute.server import Server
from freehold.compute.server_change import require_host
from freehold.compute.server_metadata import require_room_for
from freehold.compute.server_request import Metadata, Name
from freehold.compute.server_status import require
from freehold.config import Config
from freehold.errors import Conflict, NotFound
from freehold.http import Call, Reply
from freehold.http.body import fitting
from freehold.image import abandon_image, create_image, find_image, upload_link
from freehold.jobs import Converged, Entry, settle, want
from freehold.store import Base

POLICY = "os_compute_api:servers:create_image"
RULES = [Rule(POLICY, "rule:admin_or_member", "Make an image of a server")]


class ServerSnapshot(Converged, Base):
    """One copy that is under way; its id is the image's. It outlives its server's row."""

    __tablename__ = "server_snapshots"

    id: Mapped[str] = mapped_column(primary_key=True)
    server_id: Mapped[str] = mapped_column(index=True)
    host: Mapped[str] = mapped_column(index=True)


class SnapshotWish(BaseModel):
    """What a tenant says of the image."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    metadata: Metadata = Field(default_factory=dict)


_WISH = TypeAdapter(SnapshotWish)


def snapshot(call: Call, server: Server, argument: Any) -> Reply:
    """Make an image of the server's disk as it is when its host begins."""
    wish: SnapshotWish = fitting(_WISH, argument)
    require(server, "createImage", {"active", "stopped", "paused", "suspended"})
    require_host(server)
    _require_no_copy(call, server)
    require_room_for(call, server.project_id, wish.metadata)
    made = create_image(call, _image_body(call, server, wish))
    image_id = str(made.body["id"])
    deadline = call.now + timedelta(seconds=call.config.build_time_limit_s)
    call.session.add(
        ServerSnapshot(id=image_id, server_id=server.id, host=str(server.host), deadline=deadline)
    )
    instance_action.begin(call, server, "createImage")
    want(call.session, "host", str(server.host), call.now)
    call.audit("snapshot", "server", server.id, image=image_id)
    if call.at_least("2.45"):
        return Reply({"image_id": image_id}, 202)
    return Reply(None, 202, {"Location": call.url(f"/compute/v2.1/images/{image_id}")})


def _require_no_copy(call: Call, server: Server) -> None:
    """Refuse (Conflict) a second copy at a time, as nova does; the server's row is locked."""
    copies = select(ServerSnapshot.id).where(ServerSnapshot.server_id == server.id).limit(1)
    if call.session.scalar(copies) is not None:
        raise Conflict(
            f"Cannot 'createImage' instance {server.id} while it is in task_state image_snapshot."
        )


def _image_body(call: Call, server: Server, wish: SnapshotWish) -> dict[str, Any]:
    try:
        min_ram = find_image(call.session, call.caller, server.image_id).min_ram
    except NotFound:  # it was deleted since; the server does not mind
        min_ram = 0
    told = {
        "image_type": "snapshot",
        "base_image_ref": server.image_id,
        "instance_uuid": server.id,
        "user_id": str(call.caller.user_id),
    }
    return {
        **told,
        **wish.metadata,
        "name": wish.name,
        "visibility": "private",
        "disk_format": "qcow2",
        "container_format": "bare",
        "min_disk": server.root_gib,
        "min_ram": min_ram,
    }


def snapshot_entries(
    session: Session, host: str, *, tokens: Tokens, config: Config, now: datetime
) -> list[dict[str, Any]]:
    """The ``snapshots`` part of a host document."""
    rows = session.scalars(
        select(ServerSnapshot).where(ServerSnapshot.host == host).order_by(ServerSnapshot.id)
    )
    return [
        {
            "id": row.id,
            "generation": row.generation,
            "state": "present",
            "server_id": row.server_id,
            **upload_link(row.id, tokens, config, now),
        }
        for row in rows
    ]


def write_snapshots(session: Session, entries: Mapping[str, Entry], now: datetime) -> bool:
    """Write what became of copies; True when none of them is under way any longer."""
    all_done = True
    for row in session.scalars(
        select(ServerSnapshot).where(ServerSnapshot.id.in_(entries)).with_for_update()
    ).all():
        if settle(row, entries[row.id], now):
            _end(session, row, now)
        else:
            all_done = False
    return all_done


def expire_snapshots(session: Session, now: datetime) -> None:
    """Give up copies whose time is over."""
    overdue = ServerSnapshot.overdue(now)
    for row in session.scalars(select(ServerSnapshot).where(overdue).with_for_update()).all():
        _end(session, row, now, f"The image {row.id} was not uploaded in time.")


def _end(session: Session, row: ServerSnapshot, now: datetime, problem: str | None = None) -> None:
    problem = problem or (row.fault["message"] if row.fault else None)
    if problem:
        abandon_image(session, row.id, now)
    instance_action.finish(session, [row.server_id], now, problem)
    session.delete(row)
