"""Who logs in: the body of ``POST /v3/auth/tokens`` and the proof in it.

Every refusal is the same 401 (of a token the same 404, as keystone has it) and takes the time of a
password check where a password was given, so that nobody learns which users exist.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import ColumnElement, Row, Select, bindparam, select
from sqlalchemy.orm import Session

from freehold.access import Tokens
from freehold.errors import BadRequest, Forbidden, NotAuthenticated, NotFound
from freehold.identity.application_credential import ApplicationCredential, secret_matches
from freehold.identity.domain import Domain
from freehold.identity.lockout import Lockout
from freehold.identity.password import MAX_LENGTH, Password, matches
from freehold.identity.project import Project
from freehold.identity.user import User

Proof = TypeVar("Proof")
REFUSED = "The request you have made requires authentication."


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain a NUL character")
    return text


Key = Annotated[str, AfterValidator(_without_nul)]
"""An id or name to look up; PostgreSQL refuses NUL even in a comparison."""


class DomainRef(_Strict):
    """A domain by id or name."""

    id: Key | None = None
    name: Key | None = None


class UserRef(_Strict):
    """A user by id, or by name and domain, and their password."""

    id: Key | None = None
    name: Key | None = None
    domain: DomainRef | None = None
    password: str = Field(repr=False)


class PasswordProof(_Strict):
    """Method ``password``."""

    user: UserRef


class TokenProof(_Strict):
    """Method ``token``."""

    id: str = Field(repr=False)


class CredentialUser(_Strict):
    """Whose application credential, where it is named by name."""

    id: Key | None = None
    name: Key | None = None
    domain: DomainRef | None = None


class CredentialProof(_Strict):
    """Method ``application_credential``: by id, or by name and user."""

    id: Key | None = None
    name: Key | None = None
    user: CredentialUser | None = None
    secret: str = Field(repr=False)


class Identity(_Strict):
    """How the client proves who it is."""

    methods: list[str] = Field(min_length=1, max_length=8)
    password: PasswordProof | None = None
    token: TokenProof | None = None
    application_credential: CredentialProof | None = None


class ProjectRef(_Strict):
    """A project by id, or by name and domain."""

    id: Key | None = None
    name: Key | None = None
    domain: DomainRef | None = None


class SystemRef(_Strict):
    """The system as a whole."""

    all: Literal[True]


class TrustRef(_Strict):
    """A trust by id."""

    id: Key


class ScopeRef(_Strict):
    """What the token shall be good for; exactly one of these."""

    project: ProjectRef | None = None
    domain: DomainRef | None = None
    system: SystemRef | None = None
    unscoped: dict[str, Any] | None = None
    trust: TrustRef | None = Field(default=None, alias="OS-TRUST:trust")


def _word(value: object) -> object:
    return {"unscoped": {}} if value == "unscoped" else value


class Auth(_Strict):
    """The inner object of the body."""

    identity: Identity
    scope: Annotated[ScopeRef | None, BeforeValidator(_word)] = None


class NewToken(_Strict):
    """Body of ``POST /v3/auth/tokens``."""

    auth: Auth


@dataclass(frozen=True)
class Login:
    """A proven user.

    Attributes:
        expires_at: End of the token that proved it; a token made from it lives no longer.
        audit_ids: Of that token.
        credential: The application credential that proved it, which sets the scope.
    """

    user_id: str
    user_name: str
    domain_id: str
    domain_name: str
    default_project_id: str | None
    methods: tuple[str, ...]
    expires_at: datetime | None = None
    audit_ids: tuple[str, ...] = ()
    credential: ApplicationCredential | None = None


def refused() -> NotAuthenticated:
    """The one answer to all failed logins."""
    return NotAuthenticated(REFUSED)


def log_in(
    session: Session, tokens: Tokens, lockout: Lockout, identity: Identity, now: datetime
) -> Login:
    """Check every method that the client names; all must prove the same user.

    Raises:
        BadRequest: A method without its part of the body.
        NotFound: A token that is not good.
        Forbidden: A token of a trust.
        NotAuthenticated: Anything else that is not right.
    """
    logins = []
    for method in dict.fromkeys(identity.methods):
        if method == "password":
            logins.append(_by_password(session, lockout, _given(identity.password, method), now))
        elif method == "token":
            logins.append(_by_token(session, tokens, _given(identity.token, method), now))
        elif method == "application_credential":
            proof = _given(identity.application_credential, method)
            logins.append(_by_credential(session, proof, now))
        else:
            raise NotAuthenticated("Attempted to authenticate with an unsupported method.")
    first = logins[0]
    if any(login.user_id != first.user_id for login in logins):
        raise refused()
    ends = [login.expires_at for login in logins if login.expires_at is not None]
    return replace(
        first,
        methods=tuple(dict.fromkeys(name for login in logins for name in login.methods)),
        expires_at=min(ends, default=None),
        audit_ids=next((login.audit_ids for login in logins if login.audit_ids), ()),
        credential=next((login.credential for login in logins if login.credential), None),
    )


def _given(proof: Proof | None, method: str) -> Proof:
    if proof is None:
        raise BadRequest(f"Expecting to find {method} in identity.")
    return proof


def _by_password(session: Session, lockout: Lockout, proof: PasswordProof, now: datetime) -> Login:
    by, values = lookup(proof.user, "user")
    row = session.execute(_users(by), values).first()
    if len(proof.user.password) > MAX_LENGTH:
        raise refused()
    right = matches(proof.user.password, row.hash if row else None)
    if row is not None and lockout.holds(row, now):
        raise refused()
    if not right:
        lockout.failed(row, now)
        raise refused()
    lockout.passed(row)
    return _login(row, ("password",))


def _by_token(session: Session, tokens: Tokens, proof: TokenProof, now: datetime) -> Login:
    try:
        caller = tokens.read(session, proof.id, now)
    except NotAuthenticated as error:  # keystone's answer, which clients tell from a wrong password
        raise NotFound("Failed to validate token.") from error
    if caller.application_credential_id is not None:
        raise NotAuthenticated("A token of an application credential cannot be changed to another.")
    if caller.trust is not None:
        raise Forbidden("A token of a trust cannot be changed to another; log in with the trust.")
    row = session.execute(_users("id"), {"id": caller.user_id}).first()
    methods = tuple(dict.fromkeys(("token", *caller.methods)))
    return _login(row, methods, caller.expires_at, caller.audit_ids)


def _by_credential(session: Session, proof: CredentialProof, now: datetime) -> Login:
    statement = select(ApplicationCredential)
    if proof.id is not None:
        statement = statement.where(ApplicationCredential.id == proof.id)
    elif proof.name is None or proof.user is None:
        raise BadRequest("Expecting to find id, or name and user, in application_credential.")
    else:
        by, values = lookup(proof.user, "user")
        user = session.execute(_users(by), values).first()
        statement = statement.where(
            ApplicationCredential.name == proof.name,
            ApplicationCredential.user_id == (user.id if user else None),
        )
    credential = session.scalar(statement)
    if len(proof.secret) > MAX_LENGTH or not secret_matches(credential, proof.secret):
        raise refused()
    assert credential is not None
    if credential.expires_at is not None and credential.expires_at <= now:
        raise refused()
    row = session.execute(_users("id"), {"id": credential.user_id}).first()
    return replace(_login(row, ("application_credential",)), credential=credential)


def _login(
    row: Row[*tuple[Any, ...]] | None,
    methods: tuple[str, ...],
    expires_at: datetime | None = None,
    audit_ids: tuple[str, ...] = (),
) -> Login:
    if row is None or not (row.enabled and row.domain_enabled):
        raise refused()
    return Login(
        user_id=row.id,
        user_name=row.name,
        domain_id=row.domain_id,
        domain_name=row.domain_name,
        default_project_id=row.default_project_id,
        methods=methods,
        expires_at=expires_at,
        audit_ids=audit_ids,
    )


@functools.cache
def _users(by: str) -> Select[*tuple[Any, ...]]:
    """The query for one user with domain and password, built once for each way of naming them."""
    return (
        select(
            User.id,
            User.name,
            User.enabled,
            User.default_project_id,
            User.domain_id,
            Domain.name.label("domain_name"),
            Domain.enabled.label("domain_enabled"),
            User.options,
            Password.hash,
            Password.failures,
            Password.failed_at,
        )
        .join(Domain, Domain.id == User.domain_id)
        .outerjoin(Password, Password.user_id == User.id)
        .where(*named(User, by))
    )


def lookup(ref: UserRef | CredentialUser | ProjectRef, what: str) -> tuple[str, dict[str, str]]:
    """How a reference names its user or project (for ``named``), and the query's values.

    Raises:
        BadRequest: Neither id nor name, or a name without its domain.
    """
    if ref.id is not None:
        return "id", {"id": ref.id}
    if ref.name is None:
        raise BadRequest(f"Expecting to find id or name in {what}.")
    by, domain = domain_key(ref.domain, what)
    return by, {"name": ref.name, "domain": domain}


def domain_key(ref: DomainRef | None, what: str) -> tuple[str, str]:
    """How a reference names its domain, and the value. Raises BadRequest when it does not."""
    if ref is not None and ref.id is not None:
        return "domain_id", ref.id
    if ref is not None and ref.name is not None:
        return "domain_name", ref.name
    raise BadRequest(f"Expecting to find domain in {what}.")


def named(table: type[User] | type[Project], by: str) -> list[ColumnElement[bool]]:
    """Conditions with the values that ``lookup`` gives, for a select joined with Domain."""
    if by == "id":
        return [table.id == bindparam("id")]
    column = Domain.id if by == "domain_id" else Domain.name
    return [table.name == bindparam("name"), column == bindparam("domain")]
