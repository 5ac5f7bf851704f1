"""Signed, self-contained tokens: nothing is stored when one is issued, revoking leaves a small row.

A token is a JSON Web Token (RFC 7519) signed with HMAC-SHA256. Everything a request needs to know
of
its caller is inside, so checking one costs a signature and a look at the (short) list of
revocations.
Whatever takes rights away (a role removed, a password changed, a user disabled) writes a revocation
for the tokens that were issued before.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from sqlalchemy import ColumnElement, Index, Select, bindparam, delete, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access.caller import Caller, Delegation, Scope
from freehold.errors import NotAuthenticated
from freehold.store import Base, new_hex_id

MARGIN = timedelta(seconds=30)
"""A revocation reaches this far beyond its request's clock: until it is committed, a login that
cannot see it yet may still sign a token, and that one must be void too. A login that does see it
dates its token behind the margin, so it is good at once."""

REMEMBERED = 4096
"""Tokens that are read without checking the signature again; about 1 KiB each."""

_REFUSED = "The request you have made requires authentication."


class Revocation(Base):
    """Tokens issued at or before ``before`` and matching every named field are void."""

    __tablename__ = "revocations"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_hex_id)
    audit_id: Mapped[str | None]
    user_id: Mapped[str | None]
    project_id: Mapped[str | None]
    domain_id: Mapped[str | None]
    application_credential_id: Mapped[str | None]
    trust_id: Mapped[str | None]
    before: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (
        Index("ix_revocations_subject", "audit_id", "user_id", "project_id", "domain_id"),
    )


class Tokens:
    """Issues and reads tokens under one secret key.

    Args:
        secret: The service's secret, at least 32 bytes; keys for each purpose are derived from it.
        lifetime_s: How long an issued token is good.
    """

    def __init__(self, secret: bytes, lifetime_s: int) -> None:
        self._key = derive_key(secret, "token")
        self._link_key = derive_key(secret, "link")
        self.lifetime_s = lifetime_s
        self._read: dict[bytes, Caller] = {}

    def issue(
        self,
        caller: Caller,
        now: datetime,
        expires_at: datetime | None = None,
        *,
        session: Session | None = None,
    ) -> tuple[str, Caller]:
        """Sign a token for ``caller``; returns it and the caller with its times and audit id.

        Args:
            caller: Whose token; ``audit_ids`` those of the token it was made from, if any.
            now: The request's clock, read before ``session`` began.
            expires_at: When it ends; by itself ``lifetime_s`` from now.
            session: What the caller's rights were read in. Revocations that it sees do not void
                the new token; any that it does not see will.
        """
        issued = now.replace(microsecond=0)
        ends = expires_at or issued + timedelta(seconds=self.lifetime_s)
        audit = (secrets.token_urlsafe(16), *caller.audit_ids[-1:])
        whole = replace(caller, issued_at=now, expires_at=ends, audit_ids=audit)
        if session is not None and (seen := _last_revocation(session, whole)) is not None:
            whole = replace(whole, issued_at=seen + timedelta(milliseconds=1))
        return jwt.encode(_claims(whole), self._key, "HS256"), whole

    def read(self, session: Session, token: str, now: datetime) -> Caller:
        """The caller behind a token.

        Raises:
            NotAuthenticated: Not ours, changed, expired or revoked; the message never says which.
        """
        caller = self._caller(token)
        assert caller.expires_at is not None
        if caller.expires_at <= now or _revoked(session, caller):
            raise NotAuthenticated(_REFUSED)
        return caller

    def _caller(self, token: str) -> Caller:
        """What a token says, if it is ours; remembered under its hash, as the answer never changes.

        Whether it is still good is asked each time.
        """
        digest = hashlib.sha256(token.encode()).digest()
        if (known := self._read.get(digest)) is not None:
            return known
        try:
            claims = jwt.decode(
                token,
                self._key,
                ["HS256"],
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "require": ["exp", "iat", "sub"],
                },
            )
        except jwt.InvalidTokenError as error:
            raise NotAuthenticated(_REFUSED) from error
        if len(self._read) >= REMEMBERED:
            self._read = {}
        caller = self._read[digest] = _caller(claims)
        return caller

    def sign_link(self, path: str, expires_at: datetime) -> str:
        """A bearer value that lets a host read ``path`` until ``expires_at``; nothing is stored."""
        ends = int(expires_at.timestamp())
        return f"{ends}.{self._mac(path, ends)}"

    def check_link(self, path: str, value: str, now: datetime) -> None:
        """Refuse (NotAuthenticated) a value that ``sign_link`` did not make for ``path`` or that
        is over.
        """
        ends, _, mac = value.partition(".")
        if not (value.isascii() and ends.isdigit()) or int(ends[:12]) < now.timestamp():
            raise NotAuthenticated(_REFUSED)
        if not hmac.compare_digest(mac, self._mac(path, int(ends))):
            raise NotAuthenticated(_REFUSED)

    def _mac(self, path: str, ends: int) -> str:
        return hmac.new(self._link_key, f"{ends} {path}".encode(), hashlib.sha256).hexdigest()


def derive_key(secret: bytes, purpose: str) -> bytes:
    """A key of its own for each purpose, so that one leaking tells nothing of another (HMAC as
    KDF).
    """
    return hmac.new(secret, b"freehold/" + purpose.encode(), hashlib.sha256).digest()


def fernet_key(secret: bytes, purpose: str) -> bytes:
    """The same in the form that ``cryptography.fernet`` takes."""
    return base64.urlsafe_b64encode(derive_key(secret, purpose))


def revoke(
    session: Session,
    now: datetime,
    *,
    audit_id: str | None = None,
    user_id: str | None = None,
    project_id: str | None = None,
    domain_id: str | None = None,
    application_credential_id: str | None = None,
    trust_id: str | None = None,
    lifetime_s: int = 7 * 86400,
) -> None:
    """Void tokens issued up to now that match every field given; forget revocations that are over.

    ``audit_id`` is the token's own (the first); tokens made from it by rescoping stay good.

    Raises:
        ValueError: No field is given (that would void every token there is).
    """
    if not any((audit_id, user_id, project_id, domain_id, application_credential_id, trust_id)):
        raise ValueError("a revocation names whose tokens are void")
    session.execute(delete(Revocation).where(Revocation.expires_at < now))
    session.add(
        Revocation(
            audit_id=audit_id,
            user_id=user_id,
            project_id=project_id,
            domain_id=domain_id,
            application_credential_id=application_credential_id,
            trust_id=trust_id,
            before=now + MARGIN,
            expires_at=now + timedelta(seconds=lifetime_s),
        )
    )


def _revoked(session: Session, caller: Caller) -> bool:
    return _last_revocation(session, caller) is not None


def _matches(column: Any, *names: str) -> ColumnElement[bool]:
    return or_(column.is_(None), *(column == bindparam(name) for name in names))


def _of_these(column: Any, name: str) -> ColumnElement[bool]:
    return or_(column.is_(None), column.in_(bindparam(name, expanding=True)))


def _last(*subject: ColumnElement[bool]) -> Select[datetime]:
    return (
        select(Revocation.before)
        .where(
            _matches(Revocation.audit_id, "audit_id"),
            _matches(Revocation.project_id, "project_id"),
            _matches(Revocation.application_credential_id, "application_credential_id"),
            *subject,
            Revocation.before >= bindparam("issued_at"),
        )
        .order_by(Revocation.before.desc())
        .limit(1)
    )


_LAST_REVOCATION = _last(
    _matches(Revocation.user_id, "user_id"),
    _matches(Revocation.domain_id, "domain_id", "user_domain_id"),
    Revocation.trust_id.is_(None),
)
"""Built once: each request runs it. A value that is None matches no column (SQL's ``=``)."""

_LAST_REVOCATION_OF_TRUST = _last(
    _of_these(Revocation.user_id, "user_ids"),
    _of_these(Revocation.domain_id, "domain_ids"),
    _of_these(Revocation.trust_id, "trust_ids"),
)
"""The same for a token of a trust, which ends with the tokens of everybody who stands behind it."""


def _last_revocation(session: Session, caller: Caller) -> datetime | None:
    """The end of the latest revocation that voids the caller's token; None if none does."""
    values: dict[str, Any] = {
        "audit_id": caller.audit_ids[0],
        "project_id": caller.scope.project_id,
        "application_credential_id": caller.application_credential_id,
        "issued_at": caller.issued_at,
    }
    if caller.trust is None:
        statement = _LAST_REVOCATION
        values["user_id"] = caller.user_id
        values["domain_id"] = caller.scope.domain_id
        values["user_domain_id"] = caller.user_domain_id
    else:
        statement = _LAST_REVOCATION_OF_TRUST
        values["user_ids"] = list(caller.trust.user_ids)
        values["domain_ids"] = [*caller.trust.domain_ids, caller.scope.domain_id]
        values["trust_ids"] = list(caller.trust.chain)
    # Asked on the connection: every request runs this, and the ORM would double its price.
    if session.new:
        session.flush()
    found: datetime | None = session.connection().execute(statement, values).scalar()
    return found


def _claims(caller: Caller) -> dict[str, Any]:
    assert caller.issued_at is not None
    assert caller.expires_at is not None
    scope = caller.scope
    claims: dict[str, Any] = {
        "sub": caller.user_id,
        "iat": caller.issued_at.timestamp(),
        "exp": caller.expires_at.timestamp(),
        "un": caller.user_name,
        "ud": [caller.user_domain_id, caller.user_domain_name],
        "r": list(caller.roles),
        "m": list(caller.methods),
        "a": list(caller.audit_ids),
    }
    if scope.project_id:
        claims["p"] = [scope.project_id, scope.project_name, scope.domain_id, scope.domain_name]
    elif scope.domain_id:
        claims["d"] = [scope.domain_id, scope.domain_name]
    elif scope.system:
        claims["s"] = True
    if caller.application_credential_id:
        claims["c"] = caller.application_credential_id
    if caller.trust:
        claims["t"] = astuple(caller.trust)
    return claims


def _caller(claims: Mapping[str, Any]) -> Caller:
    if project := claims.get("p"):
        scope = Scope(*project)
    elif domain := claims.get("d"):
        scope = Scope(None, None, *domain)
    else:
        scope = Scope(system=claims.get("s", False))
    return Caller(
        user_id=claims["sub"],
        user_name=claims["un"],
        user_domain_id=claims["ud"][0],
        user_domain_name=claims["ud"][1],
        scope=scope,
        roles=tuple(claims["r"]),
        methods=tuple(claims["m"]),
        audit_ids=tuple(claims["a"]),
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        application_credential_id=claims.get("c"),
        trust=_delegation(claims["t"]) if "t" in claims else None,
    )


def _delegation(told: Sequence[Any]) -> Delegation:
    trust_id, trustor, trustee, impersonation, *people = told
    return Delegation(trust_id, trustor, trustee, impersonation, *map(tuple, people))
