"""Handing a trust on: how often, and that nothing grows on the way. Pure.

The rules are the API reference's, "OS-TRUST", ``redelegation_count`` and ``allow_redelegation``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.errors import BadRequest, Forbidden

if TYPE_CHECKING:
    from freehold.identity.trust import Trust, TrustWish

MAX_REDELEGATIONS = 3
"""How often what one user gave may be handed on (keystone's default)."""


def redelegations_left(wish: TrustWish, parent: Trust | None) -> int:
    """How many more times a new trust may be handed on.

    Args:
        parent: The trust that it stands on.

    Raises:
        BadRequest: Uses cannot be counted where others may be made of it.
        Forbidden: Deeper than is allowed, or than the parent allows.
    """
    wanted = wish.redelegation_count
    may_go_on = bool(wish.allow_redelegation) and wanted != 0
    if may_go_on and wish.remaining_uses is not None:
        raise BadRequest("remaining_uses must not be set if redelegation is allowed.")
    if may_go_on and wanted is not None and wanted > MAX_REDELEGATIONS:
        raise Forbidden(
            f"Requested redelegation depth of {wanted} is greater than allowed {MAX_REDELEGATIONS}."
        )
    if parent is None:
        return (wanted or MAX_REDELEGATIONS) if may_go_on else 0
    left = parent.redelegation_count - 1
    if left < 0:
        raise Forbidden(f"Trust {parent.id} does not allow redelegation (its count is 0).")
    if may_go_on and wanted not in (None, left):
        raise Forbidden(
            'Modifying "redelegation_count" upon redelegation is forbidden; leave it out.'
        )
    return left if may_go_on else 0


def require_within(trust: Trust, parent: Trust) -> None:
    """Refuse (Forbidden) a trust that would give more than the one it stands on."""
    if trust.remaining_uses is not None:
        raise Forbidden("remaining_uses must not be set in order to redelegate a trust.")
    if trust.project_id != parent.project_id:
        raise Forbidden(f"Trust {parent.id} is for project {parent.project_id} alone.")
    if not set(trust.role_ids) <= set(parent.role_ids):
        raise Forbidden("Some of requested roles are not in redelegated trust.")
    if trust.impersonation and not parent.impersonation:
        raise Forbidden(f"Impersonation is not allowed: trust {parent.id} does not specify it.")
    if parent.expires_at is not None and (
        trust.expires_at is None or trust.expires_at > parent.expires_at
    ):
        raise Forbidden("Requested expiration time is more than redelegated trust can provide.")
