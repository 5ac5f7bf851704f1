"""The database: one engine for SQLite and PostgreSQL, sessions, ids, times. Knows no resource."""

from freehold.store import migrate, snapshot
from freehold.store.engine import Store, ask_to_wake, lock, lock_row, on_commit
from freehold.store.related import OWNERS, related
from freehold.store.schema import Base, UtcDateTime, new_hex_id, new_id, utc_now

__all__ = [
    "OWNERS",
    "Base",
    "Store",
    "UtcDateTime",
    "ask_to_wake",
    "lock",
    "lock_row",
    "migrate",
    "new_hex_id",
    "new_id",
    "on_commit",
    "related",
    "snapshot",
    "utc_now",
]
