"""From a server's name to a host name that every system takes (RFC 952, RFC 1123)."""

from __future__ import annotations

import re

LONGEST = 63


def hostname_of(name: str, server_id: str) -> str:
    """``Web 1.example`` → ``web-1-example``; a name without a usable letter gives ``server-<id>``.

    As nova does (API guide, "Server hostname"), but with ASCII letters only, since resolvers and
    guests want no others.
    """
    plain = re.sub(r"[ _.]", "-", name[:LONGEST])
    plain = re.sub(r"[^a-zA-Z0-9-]+", "", plain).lower().strip("-")
    return plain or f"server-{server_id}"


def numbered(name: str, position: int, count: int) -> str:
    """The name of one of several servers made by one request: ``name-1``, ``name-2``, …"""
    return name if count == 1 else f"{name}-{position + 1}"
