"""Who logs in: the body of ``POST /v3/auth/tokens`` and the proof in it.

Every refusal is the same 401 and takes the time of a password check where a password was given, so
that nobody learns which users exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.access import Tokens
from freehold.errors import BadRequest, NotAuthenticated
from freehold.identity.application_credential import ApplicationCredential, secret_matches
from freehold.identity.domain import Domain
from freehold.identity.password import MAX_LENGTH, Password, matches
from freehold.identity.user import User

Proof = TypeVar("Proof")
REFUSED = "The request you have made requires authentication."


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class DomainRef(_Strict):
    """A domain by id or name."""

    id: str | None = None
    name: str | None = None


class UserRef(_Strict):
    """A user by id, or by name and domain, and their password."""

    id: str | None = None
    name: str | None = None
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

    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class CredentialProof(_Strict):
    """Method ``application_credential``: by id, or by name and user."""

    id: str | None = None
    name: str | None = None
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

    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class SystemRef(_Strict):
    """The system as a whole."""

    all: Literal[True]


class ScopeRef(_Strict):
    """What the token shall be good for; exactly one of these."""

    project: ProjectRef | None = None
    domain: DomainRef | None = None
    system: SystemRef | None = None
    unscoped: dict[str, Any] | None = None


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


def log_in(session: Session, tokens: Tokens, identity: Identity, now: datetime) -> Login:
    """Check every method that the client names; all must prove the same user.

    Raises:
        BadRequest: A method without its part of the body.
        NotAuthenticated: Anything else that is not right.
    """
    logins = []
    for method in dict.fromkeys(identity.methods):
        if method == "password":
            logins.append(_by_password(session, _given(identity.password, method)))
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


def _by_password(session: Session, proof: PasswordProof) -> Login:
    wanted = proof.user
    statement = select(User, Domain, Password.hash).join(Domain).outerjoin(Password)
    if wanted.id is not None:
        statement = statement.where(User.id == wanted.id)
    elif wanted.name is None:
        raise BadRequest("Expecting to find id or name in user.")
    else:
        statement = statement.where(User.name == wanted.name, in_domain(wanted.domain, "user"))
    row = session.execute(statement).first()
    if len(wanted.password) > MAX_LENGTH:
        raise refused()
    if not matches(wanted.password, row[2] if row else None):
        raise refused()
    return _login(row, ("password",))


def _by_token(session: Session, tokens: Tokens, proof: TokenProof, now: datetime) -> Login:
    caller = tokens.read(session, proof.id, now)
    if caller.application_credential_id is not None:
        raise NotAuthenticated("A token of an application credential cannot be changed to another.")
    statement = select(User, Domain).join(Domain).where(User.id == caller.user_id)
    methods = tuple(dict.fromkeys(("token", *caller.methods)))
    return _login(session.execute(statement).first(), methods, caller.expires_at, caller.audit_ids)


def _by_credential(session: Session, proof: CredentialProof, now: datetime) -> Login:
    statement = (
        select(User, Domain, ApplicationCredential)
        .join(Domain, Domain.id == User.domain_id)
        .join(ApplicationCredential, ApplicationCredential.user_id == User.id)
    )
    whose = proof.user
    if proof.id is not None:
        statement = statement.where(ApplicationCredential.id == proof.id)
    elif proof.name is None or whose is None:
        raise BadRequest("Expecting to find id, or name and user, in application_credential.")
    elif whose.id is not None:
        statement = statement.where(ApplicationCredential.name == proof.name, User.id == whose.id)
    else:
        statement = statement.where(
            ApplicationCredential.name == proof.name,
            User.name == whose.name,
            in_domain(whose.domain, "user"),
        )
    row = session.execute(statement).first()
    credential = row[2] if row else None
    if len(proof.secret) > MAX_LENGTH or not secret_matches(credential, proof.secret):
        raise refused()
    assert credential is not None
    if credential.expires_at is not None and credential.expires_at <= now:
        raise refused()
    login = _login(row, ("application_credential",))
    return replace(login, credential=credential)


def _login(
    row: Sequence[Any] | None,
    methods: tuple[str, ...],
    expires_at: datetime | None = None,
    audit_ids: tuple[str, ...] = (),
) -> Login:
    if row is None:
        raise refused()
    user, domain = row[0], row[1]
    if not (user.enabled and domain.enabled):
        raise refused()
    return Login(
        user_id=user.id,
        user_name=user.name,
        domain_id=domain.id,
        domain_name=domain.name,
        default_project_id=user.default_project_id,
        methods=methods,
        expires_at=expires_at,
        audit_ids=audit_ids,
    )


def in_domain(ref: DomainRef | None, what: str) -> Any:
    """Condition on the joined Domain. Raises BadRequest when the body names none."""
    if ref is None or (ref.id is None and ref.name is None):
        raise BadRequest(f"Expecting to find domain in {what}.")
    return Domain.id == ref.id if ref.id is not None else Domain.name == ref.name
