"""The one who calls, as their token says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Scope:
    """What a token is good for: a project, a domain, the system, or nothing (all None/False)."""

    project_id: str | None = None
    project_name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None
    system: bool = False


@dataclass(frozen=True)
class Delegation:
    """The trust that a token was made with.

    A trust may stand on others (redelegation); what voids one of them, or the tokens of anybody in
    between, voids this token too.

    Attributes:
        impersonation: The caller is shown as the trustor, else as the trustee.
        chain: Ids of all trusts that it stands on, this one among them.
        user_ids: All trustors and trustees of these.
        domain_ids: The domains of those.
    """

    trust_id: str
    trustor_user_id: str
    trustee_user_id: str
    impersonation: bool
    chain: tuple[str, ...]
    user_ids: tuple[str, ...]
    domain_ids: tuple[str, ...]


@dataclass(frozen=True)
class Caller:
    """A caller; ``user_id`` None is anonymous.

    For a project scope ``scope.domain_*`` is the project's domain.
    """

    user_id: str | None = None
    user_name: str | None = None
    user_domain_id: str | None = None
    user_domain_name: str | None = None
    scope: Scope = Scope()
    roles: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    audit_ids: tuple[str, ...] = ()
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    application_credential_id: str | None = None
    trust: Delegation | None = None

    @property
    def project_id(self) -> str | None:
        """The project that new things belong to."""
        return self.scope.project_id

    @property
    def is_admin(self) -> bool:
        """Whether the token carries the admin role."""
        return "admin" in self.roles

    def credentials(self) -> dict[str, Any]:
        """As oslo.policy wants it."""
        return {
            "user_id": self.user_id,
            "user_domain_id": self.user_domain_id,
            "project_id": self.scope.project_id,
            "project_domain_id": self.scope.domain_id if self.scope.project_id else None,
            "domain_id": None if self.scope.project_id else self.scope.domain_id,
            "system_scope": "all" if self.scope.system else None,
            "roles": list(self.roles),
            "is_admin": self.is_admin,
        }
