"""What a caller may not do who has only a part of a user's rights: by a trust, or as a program.

Whoever is lent rights must not make lasting ones of them (keystone refuses the same things).
"""

from __future__ import annotations

from freehold.errors import Forbidden
from freehold.http import Call


def refuse_trust(call: Call) -> None:
    """Refuse (Forbidden) the caller who acts by a trust: a credential would outlive it."""
    if call.caller.trust is not None:
        raise Forbidden("Cannot manage application credentials with a token issued via delegation.")


def refuse_application_credential(call: Call) -> None:
    """Refuse (Forbidden) programs, unrestricted ones too: trusts reach beyond their project."""
    if call.caller.application_credential_id is not None:
        raise Forbidden("Using method 'application_credential' is not allowed for managing trusts.")


def reaches_one_project(call: Call) -> bool:
    """Whether the caller is bound to the project of their token."""
    caller = call.caller
    return caller.trust is not None or caller.application_credential_id is not None


def require_in_reach(call: Call, project_id: str | None) -> None:
    """Refuse (Forbidden) what is not of the project that the caller is bound to, if they are.

    What has no project is the user's own (a second factor) and in nobody's reach but theirs.
    """
    if reaches_one_project(call) and project_id != call.caller.project_id:
        raise Forbidden(
            "Credential project does not match the project scope of the delegated token."
        )
