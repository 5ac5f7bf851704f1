"""A host: registered from the inventory, described by what its own runs found.

Routes are Freehold's own (``/v1/hosts``); OpenStack's words for the same rows are in the compute
room.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Rule
from freehold.errors import NotFound
from freehold.http import ApiVersion, Call, Routes
from freehold.jobs import want
from freehold.store import Base, new_id

DEFAULT_ZONE = "nova"
NAME = r"^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$"

RULES = [Rule("hosts", "rule:admin_required", "See and change hosts, /v1/hosts")]


class Host(Base):
    """One hypervisor.

    Attributes:
        id: Stable for OpenStack's hypervisor id.
        facts: As the last result gave them (docs/reference/documents.md); empty before the first
            run.
        seen_at: When a run last succeeded there.
    """

    __tablename__ = "hosts"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    address: Mapped[str | None]
    availability_zone: Mapped[str] = mapped_column(default=DEFAULT_ZONE)
    enabled: Mapped[bool] = mapped_column(default=True)
    disabled_reason: Mapped[str | None]
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    seen_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    @property
    def is_described(self) -> bool:
        """Whether a run has told what the host has; nothing is placed on it before."""
        return "vcpus" in self.facts


class HostWish(BaseModel):
    """Body of ``PUT /v1/hosts/{name}``."""

    model_config = ConfigDict(extra="forbid")

    address: str | None = Field(default=None, max_length=64)
    # Not {1,64}: with letters of all scripts, counted by the expression, that takes 6 MiB.
    availability_zone: str = Field(default=DEFAULT_ZONE, pattern=r"^[\w.-]+$", max_length=64)
    enabled: bool = True
    disabled_reason: str | None = Field(default=None, max_length=255)


def all_hosts(session: Session) -> Sequence[Host]:
    """Every host by name."""
    return session.scalars(select(Host).order_by(Host.name)).all()


def register(session: Session, name: str, wish: HostWish, now: datetime) -> bool:
    """Make a host known or change what the operator says of it; returns whether anything changed.

    A change wants the host's target, whose first run brings the facts.
    """
    host = session.scalar(select(Host).where(Host.name == name))
    said = wish.model_dump()
    if host is None:
        session.add(Host(name=name, created_at=now, facts={}, **said))
        session.flush()
    elif all(getattr(host, key) == value for key, value in said.items()):
        return False
    else:
        for key, value in said.items():
            setattr(host, key, value)
    want(session, "host", name, now, look=True)
    return True


def write_facts(session: Session, name: str, facts: dict[str, Any], now: datetime) -> None:
    """Keep what a run found out about the host itself."""
    host = session.scalar(select(Host).where(Host.name == name))
    if host is not None:
        host.seen_at = now
        if facts:
            host.facts = facts


def wire(host: Host) -> dict[str, Any]:
    """The host as ``/v1/hosts`` shows it."""
    return {
        "id": host.id,
        "name": host.name,
        "address": host.address,
        "availability_zone": host.availability_zone,
        "enabled": host.enabled,
        "disabled_reason": host.disabled_reason,
        "facts": host.facts,
        "seen_at": host.seen_at.isoformat() if host.seen_at else None,
    }


def list_hosts(call: Call) -> dict[str, Any]:
    """Every host with its facts."""
    return {"hosts": [wire(host) for host in all_hosts(call.session)]}


def show_host(call: Call, name: str) -> dict[str, Any]:
    """One host."""
    host = call.session.scalar(select(Host).where(Host.name == name))
    if host is None:
        raise NotFound(f"There is no host {name!r}.")
    return {"host": wire(host)}


def put_host(call: Call, name: str, body: HostWish) -> dict[str, Any]:
    """Register a host or change it."""
    changed = register(call.session, name, body, call.now)
    call.audit("put", "host", name, changed=changed)
    return {**show_host(call, name), "changed": changed}


ROUTES = Routes(ApiVersion("freehold", "v1", "/v1", "2026-11-21T00:00:00Z"))
ROUTES.add("GET", "/hosts", list_hosts, policy="hosts")
ROUTES.add("GET", "/hosts/{name}", show_host, policy="hosts")
ROUTES.add("PUT", "/hosts/{name}", put_host, policy="hosts")
