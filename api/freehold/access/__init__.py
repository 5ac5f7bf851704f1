"""Who calls, what they may, how much they may have, and what is remembered of it.

Knows tokens, policy rules, limits and the audit trail; knows no users' table and no resource.
Identity
issues tokens through this room; every other service only reads callers.
"""

from freehold.access.access import Access
from freehold.access.caller import Caller, Delegation, Scope
from freehold.access.policy import Rule
from freehold.access.quota import (
    Limit,
    QuotaLimit,
    forget_limits,
    hold,
    limits_of,
    require_room,
    set_limits,
)
from freehold.access.tokens import Tokens
from freehold.access.vault import Vault, read_secret

__all__ = [
    "Access",
    "Caller",
    "Delegation",
    "Limit",
    "QuotaLimit",
    "Rule",
    "Scope",
    "Tokens",
    "Vault",
    "forget_limits",
    "hold",
    "limits_of",
    "read_secret",
    "require_room",
    "set_limits",
]
