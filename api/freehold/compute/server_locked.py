"""Locks: a locked server changes for nobody but operators, and whoever unlocks it first."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from freehold.access import Rule
from freehold.compute.server import Server
from freehold.errors import BadRequest, Conflict
from freehold.http import Call

POLICY = "os_compute_api:os-lock-server"
RULES = [
    Rule(f"{POLICY}:lock", "rule:admin_or_member", "Lock a server"),
    Rule(f"{POLICY}:unlock", "rule:admin_or_member", "Unlock a server"),
    Rule(f"{POLICY}:unlock:unlock_override", "rule:admin_required", "Unlock an operator's lock"),
]
OWNER, ADMIN = "owner", "admin"


class LockReason(BaseModel):
    """``{"lock": {"locked_reason": …}}``, from 2.73."""

    model_config = ConfigDict(extra="forbid")

    locked_reason: str | None = Field(default=None, min_length=1, max_length=255)


def require_unlocked(call: Call, server: Server) -> None:
    """Refuse (Conflict) to change a locked server, operators excepted."""
    if server.locked_by is not None and not call.caller.is_admin:
        raise Conflict(f"Instance {server.id} is locked")


def lock(call: Call, server: Server, argument: Any) -> None:
    """Lock it; an operator's lock is not weakened by its owner's."""
    reason = None
    if call.at_least("2.73") and argument is not None:
        try:
            reason = LockReason.model_validate(argument).locked_reason
        except ValidationError as error:
            raise BadRequest(
                "Invalid input for lock: locked_reason has 1 to 255 characters."
            ) from error
    if server.locked_by is None or call.caller.is_admin:
        is_owner = call.caller.project_id == server.project_id
        server.locked_by = OWNER if is_owner else ADMIN
    server.locked_reason = reason
    call.audit("lock", "server", server.id)


def unlock(call: Call, server: Server, argument: Any) -> None:
    """Unlock it; an operator's lock takes an operator."""
    if server.locked_by == ADMIN:
        call.enforce(f"{POLICY}:unlock:unlock_override", server.policy_target)
    server.locked_by = server.locked_reason = None
    call.audit("unlock", "server", server.id)
