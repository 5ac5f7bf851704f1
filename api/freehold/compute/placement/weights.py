"""Weights: of the hosts that do, which is best.

Spread first: the host with the fewest servers, then the most free memory, then the name, so that
the same rows always give the same choice.
"""

from __future__ import annotations

from freehold.compute.placement.room import Room


def preference(room: Room) -> tuple[int, int, str]:
    """Sort key; the smallest host is taken."""
    return (room.used.servers, -room.free_memory_mib, room.name)
