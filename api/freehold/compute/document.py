"""What is wanted of one host, in the form of docs/reference/documents/host.schema.json."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from freehold.access import Tokens, Vault
from freehold.compute.config_drive import config_drive
from freehold.compute.server import REBOOT_HARD, Server
from freehold.compute.server_snapshot import snapshot_entries
from freehold.config import Config
from freehold.errors import Conflict
from freehold.hosts import all_hosts
from freehold.image import document_entries
from freehold.jobs import Scope
from freehold.network import PortView, ports_of

SECRETS = (Server.user_data, Server.random_seed, Server.sealed_password)
"""What only guests are told: read with a server where a document is made, and nowhere else."""
SHUTDOWN_TIMEOUT_S = 60
"""How long a guest may take to shut down before it is turned off, as nova's default."""


def host_document(
    session: Session,
    name: str,
    scope: Scope,
    now: datetime,
    *,
    tokens: Tokens,
    vault: Vault,
    config: Config,
) -> dict[str, Any] | None:
    """What one host is to do; None when nothing of it has changed.

    Copies of disks that are under way are in every document. With scope ``changes`` only servers
    that have not been answered for, and only the images that some of them are still to be made of.
    With ``all`` every server of the host and every image in use there; an empty host has an empty
    document, whose run tells what the host has.
    """
    zone = {host.name: host.availability_zone for host in all_hosts(session)}.get(name)
    if zone is None:
        return None
    statement = (
        select(Server)
        .where(Server.host == name)
        .options(*map(undefer, SECRETS))
        .order_by(Server.created_at, Server.id)
    )
    if scope == Scope.CHANGES:
        statement = statement.where(Server.unsettled())
    servers = session.scalars(statement).all()
    snapshots = snapshot_entries(session, name, tokens=tokens, config=config, now=now)
    if not servers and not snapshots and scope == Scope.CHANGES:
        return None
    staying = [server for server in servers if not server.removed]
    ports = ports_of(session, [server.id for server in staying]) if staying else {}
    images = document_entries(
        session, _images(staying, scope), tokens=tokens, config=config, now=now
    )
    wanted = [_entry(server, ports.get(server.id, ()), zone, vault) for server in servers]
    return {"images": list(images), "snapshots": snapshots, "servers": wanted}


def _images(servers: Sequence[Server], scope: Scope) -> list[str]:
    """A server that has booted has its disk, and the image under it is there, unless it is to be
    made anew."""
    needed = [
        s
        for s in servers
        if scope == Scope.ALL or s.booted_serial == 0 or s.made_serial < s.disk_serial
    ]
    return sorted({server.image_id for server in needed})


def _password(server: Server, vault: Vault) -> str | None:
    """What its console asks for; None where it was sealed under another secret of the service."""
    try:
        return vault.open(server.sealed_password) if server.sealed_password else None
    except Conflict:
        return None


def _entry(server: Server, ports: Sequence[PortView], zone: str, vault: Vault) -> dict[str, Any]:
    if server.removed:
        return {"id": server.id, "generation": server.generation, "state": "removed"}
    return {
        "id": server.id,
        "generation": server.generation,
        "state": "present",
        "name": server.name,
        "description": server.description,
        "project_id": server.project_id,
        "flavor": {
            "name": server.flavor["name"],
            "vcpus": server.vcpus,
            "memory_mib": server.memory_mib,
            "root_gib": server.root_gib,
        },
        "image_id": server.image_id,
        "power": server.power,
        "boot_serial": server.boot_serial,
        "disk_serial": server.disk_serial,
        "reboot": server.reboot or REBOOT_HARD,
        "shutdown_timeout_s": SHUTDOWN_TIMEOUT_S,
        "ports": [{"id": p.id, "mac": p.mac_address, "mtu": p.mtu} for p in ports],
        "config_drive": config_drive(server, ports, zone, _password(server, vault)),
    }
