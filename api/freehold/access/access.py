"""Access as the http room uses it: token → caller, caller × rule → yes or no, and the audit
record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from freehold.access.audit import AuditRecord
from freehold.access.caller import Caller
from freehold.access.policy import Policy, Rule
from freehold.access.tokens import Tokens
from freehold.access.vault import Vault
from freehold.errors import Forbidden, NotAuthenticated

_RECORD = insert(AuditRecord).inline()
"""Written on the connection: every change writes one, and nothing reads it back."""


class Access:
    """Tokens and policy together.

    Args:
        tokens: Reader and issuer of tokens.
        rules: The defaults of all services.
        policy_dir: Where operators override them; None for none.
        vault: Keeps secrets that are given back.
    """

    def __init__(
        self, tokens: Tokens, rules: Iterable[Rule], policy_dir: Path | None, vault: Vault
    ) -> None:
        self.tokens = tokens
        self.vault = vault
        self._policy = Policy(rules, policy_dir)

    def caller(self, session: Session, headers: Mapping[str, str], now: datetime) -> Caller:
        """Who sends these headers; anonymous without ``X-Auth-Token``.

        Raises:
            NotAuthenticated: A token that is not good.
        """
        token = headers.get("x-auth-token")
        return self.tokens.read(session, token, now) if token else Caller()

    def require_login(self, caller: Caller) -> None:
        """Refuse (NotAuthenticated) an anonymous caller."""
        if caller.user_id is None:
            raise NotAuthenticated("The request you have made requires authentication.")

    def allows(self, caller: Caller, rule: str, target: Mapping[str, Any] | None = None) -> bool:
        """Whether policy lets the caller do ``rule`` on ``target``."""
        return self._policy.allows(caller, rule, target)

    def enforce(self, caller: Caller, rule: str, target: Mapping[str, Any] | None = None) -> None:
        """The same as a refusal (Forbidden)."""
        if not self.allows(caller, rule, target):
            raise Forbidden(f"Policy doesn't allow {rule} to be performed.")

    def record(
        self,
        session: Session,
        *,
        caller: Caller,
        action: str,
        resource: str,
        resource_id: str,
        request_id: str,
        now: datetime,
        facts: dict[str, Any],
    ) -> None:
        """Add one audit record to the open transaction; who acts by a trust is told with it."""
        if caller.trust is not None:
            by = {"trust_id": caller.trust.trust_id, "by": caller.trust.trustee_user_id}
            facts = {**facts, **by}
        session.connection().execute(
            _RECORD,
            {
                "at": now,
                "request_id": request_id,
                "user_id": caller.user_id,
                "project_id": caller.project_id,
                "action": action,
                "resource": resource,
                "resource_id": resource_id,
                "facts": facts,
            },
        )
