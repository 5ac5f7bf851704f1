"""Whether a host is heard of: the one answer for servers, hypervisors, services and zones."""

from __future__ import annotations

from datetime import datetime, timedelta

from freehold.config import Config
from freehold.hosts import Host

LOOKS_MISSED = 3
"""A host that missed this many periodic looks is shown as down."""


def is_up(host: Host, now: datetime, config: Config) -> bool:
    """Whether a run has described the host, and one succeeded there not long ago."""
    if not host.is_described or host.seen_at is None:
        return False
    return now - host.seen_at <= timedelta(seconds=LOOKS_MISSED * config.look_every_s)


def older_id(host: Host) -> int:
    """The number that stands for a host before microversion 2.53; it follows from its UUID."""
    return int(host.id[:7], 16)
