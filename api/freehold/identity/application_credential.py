"""An application credential: a secret that a user gives to a program instead of their password.

It is good for one project with some of the user's roles there, until it expires or is deleted, and
never for more than the user still has. A secret that we make has 512 random bits, so one SHA-256
protects it; one that the user chose is hashed like a password.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Rule
from freehold.access.tokens import revoke
from freehold.errors import BadRequest, Conflict, Forbidden, NotFound
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity.assignment import held_on_project
from freehold.identity.attributes import Name255, Text, expiry
from freehold.identity.collection import MAXIMUM_ROWS, add_read, link, load, page
from freehold.identity.delegation import refuse_trust
from freehold.identity.password import MAX_LENGTH, hashed, matches
from freehold.identity.role import Role, closure, implications
from freehold.identity.user import User
from freehold.identity.version import VERSION
from freehold.store import Base, lock, new_hex_id

_OWN = "user_id:%(target.user.id)s"

RULES = [
    Rule(f"identity:{verb}_application_credential{plural}", check, f"{method} {path}")
    for verb, plural, check, method, path in (
        ("list", "s", f"rule:admin_required or {_OWN}", "GET", "…/application_credentials"),
        ("get", "", f"rule:admin_required or {_OWN}", "GET", "…/application_credentials/{id}"),
        ("create", "", _OWN, "POST", "/v3/users/{user_id}/application_credentials"),
        ("delete", "", f"rule:admin_required or {_OWN}", "DELETE", "…/{id}"),
    )
]


class ApplicationCredential(Base):
    """One application credential; goes with its user and its project."""

    __tablename__ = "application_credentials"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_hex_id)
    name: Mapped[str]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    project_id: Mapped[str] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    secret_hash: Mapped[str]
    description: Mapped[str | None]
    role_ids: Mapped[list[str]]
    expires_at: Mapped[datetime | None]
    unrestricted: Mapped[bool] = mapped_column(default=False)


class RoleRef(BaseModel):
    """A role by id or name."""

    model_config = ConfigDict(extra="ignore", strict=True)
    id: str | None = None
    name: str | None = None


class ApplicationCredentialWish(BaseModel):
    """An application credential to be made."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: Name255
    description: Text | None = None
    secret: str | None = Field(default=None, min_length=1, max_length=MAX_LENGTH, repr=False)
    expires_at: str | None = None
    roles: list[RoleRef] = Field(default_factory=list, max_length=64)
    unrestricted: bool = False
    access_rules: list[dict[str, Any]] | None = None
    project_id: str | None = None


class NewApplicationCredential(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid")
    application_credential: ApplicationCredentialWish


LISTING = Listing(
    id=ApplicationCredential.id,
    columns={"id": ApplicationCredential.id, "name": ApplicationCredential.name},
    default_sort=[SortKey("name")],
    maximum=MAXIMUM_ROWS,
)


def secret_hash(secret: str | None) -> tuple[str, str]:
    """The secret to show once (made if None) and what is stored of it."""
    if secret is not None:
        return secret, hashed(secret)
    made = secrets.token_urlsafe(64)
    return made, f"sha256${_digest(made)}"


def secret_matches(credential: ApplicationCredential | None, secret: str) -> bool:
    """Whether the secret belongs to the credential; an unknown one costs a password check."""
    if credential is not None and credential.secret_hash.startswith("sha256$"):
        return hmac.compare_digest(credential.secret_hash, f"sha256${_digest(secret)}")
    return matches(secret, credential.secret_hash if credential else None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def token_entry(session: Session, credential_id: str) -> dict[str, Any]:
    """What a token says of the credential that it was made with."""
    credential = load(session, ApplicationCredential, "application credential", credential_id)
    return {
        "id": credential.id,
        "name": credential.name,
        "restricted": not credential.unrestricted,
    }


def wire(call: Call, credential: ApplicationCredential, roles: Sequence[Role]) -> dict[str, Any]:
    """The credential as the API shows it, without its secret; ``roles`` are all there are."""
    path = f"/users/{credential.user_id}/application_credentials/{credential.id}"
    ends = credential.expires_at
    return {
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "project_id": credential.project_id,
        "roles": [
            {"id": r.id, "name": r.name, "domain_id": r.domain_id}
            for r in roles
            if r.id in credential.role_ids
        ],
        "expires_at": ends.replace(tzinfo=None).isoformat(timespec="microseconds")
        if ends
        else None,
        "unrestricted": credential.unrestricted,
        "access_rules": [],
        "links": {"self": link(call, path)},
    }


def _roles(session: Session) -> Sequence[Role]:
    return session.scalars(select(Role).order_by(Role.name)).all()


def list_credentials(call: Call, user_id: str) -> dict[str, Any]:
    """The application credentials of a user; filter name."""
    call.enforce("identity:list_application_credentials", {"target.user.id": user_id})
    refuse_trust(call)
    load(call.session, User, "user", user_id)
    statement = select(ApplicationCredential).where(ApplicationCredential.user_id == user_id)
    roles = _roles(call.session)
    return page(
        call,
        LISTING,
        statement,
        "application_credentials",
        lambda _, credential: wire(call, credential, roles),
    )


def show_credential(call: Call, user_id: str, credential_id: str) -> dict[str, Any]:
    """One application credential."""
    call.enforce("identity:get_application_credential", {"target.user.id": user_id})
    refuse_trust(call)
    credential = _of_user(call, user_id, credential_id)
    return {"application_credential": wire(call, credential, _roles(call.session))}


def create_credential(call: Call, user_id: str, body: NewApplicationCredential) -> dict[str, Any]:
    """Make an application credential for the project of the caller's token; its secret is shown
    in this answer only. It is hashed before the transaction, which no writer waits for.
    """
    call.enforce("identity:create_application_credential", {"target.user.id": user_id})
    refuse_trust(call)
    require_unrestricted(call)
    wish = body.application_credential
    if call.caller.project_id is None:
        raise BadRequest("An application credential needs a project-scoped token.")
    if wish.project_id not in (None, call.caller.project_id):
        raise BadRequest("An application credential is for the project of the token.")
    if wish.access_rules:
        raise BadRequest("Access rules are not supported; leave access_rules out.")
    secret, stored = secret_hash(wish.secret)
    shown = call.write(lambda: _create(call, user_id, wish, stored))
    return {"application_credential": {**shown, "secret": secret}}


def _create(
    call: Call, user_id: str, wish: ApplicationCredentialWish, stored: str
) -> dict[str, Any]:
    _require_free_name(call.session, user_id, wish.name)
    credential = ApplicationCredential(
        id=new_hex_id(),
        name=wish.name,
        user_id=user_id,
        project_id=call.caller.project_id,
        secret_hash=stored,
        description=wish.description,
        role_ids=_role_ids(call, wish.roles),
        expires_at=expiry(wish.expires_at, call.now),
        unrestricted=wish.unrestricted,
    )
    call.session.add(credential)
    call.session.flush()
    call.audit("create", "application_credential", credential.id)
    return wire(call, credential, _roles(call.session))


def delete_credential(call: Call, user_id: str, credential_id: str) -> Reply:
    """Remove an application credential; tokens made with it are void."""
    call.enforce("identity:delete_application_credential", {"target.user.id": user_id})
    refuse_trust(call)
    require_unrestricted(call)
    credential = _of_user(call, user_id, credential_id)
    revoke(call.session, call.now, application_credential_id=credential.id)
    call.session.delete(credential)
    call.audit("delete", "application_credential", credential_id)
    return Reply(status=204)


def _of_user(call: Call, user_id: str, credential_id: str) -> ApplicationCredential:
    credential = call.session.get(ApplicationCredential, credential_id)
    if credential is None or credential.user_id != user_id:
        raise NotFound(f"Could not find application credential: {credential_id}.")
    return credential


def require_unrestricted(call: Call) -> None:
    """A program may not make itself more credentials, unless its own one says so."""
    own = call.caller.application_credential_id
    if own is None:
        return
    credential = call.session.get(ApplicationCredential, own)
    if credential is None or not credential.unrestricted:
        raise Forbidden("A restricted application credential cannot manage credentials.")


def _require_free_name(session: Session, user_id: str, name: str) -> None:
    lock(session, "identity", "application_credential", user_id)
    taken = select(ApplicationCredential.id).where(
        ApplicationCredential.user_id == user_id, ApplicationCredential.name == name
    )
    if session.scalar(taken) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store application_credential - Duplicate entry "
            f"found with name {name}."
        )


def _role_ids(call: Call, wanted: list[RoleRef]) -> list[str]:
    """The roles that were asked for, which the user has by now, or all of the token's."""
    if not wanted:
        named = select(Role.id).where(Role.name.in_(call.caller.roles), Role.domain_id.is_(None))
        return sorted(call.session.scalars(named))
    implied = implications(call.session)
    assert call.caller.user_id is not None
    assert call.caller.project_id is not None
    held = held_on_project(call.session, call.caller.user_id, call.caller.project_id)
    rows = call.session.scalars(
        select(Role).where(Role.id.in_(closure(held, implied)), Role.domain_id.is_(None))
    ).all()
    chosen = set()
    for ref in wanted:
        role = next(
            (r for r in rows if ref.id == r.id or (not ref.id and ref.name == r.name)), None
        )
        if role is None:
            raise BadRequest("Cannot create an application credential with an unassigned role.")
        chosen.add(role.id)
    return sorted(closure(chosen, implied))


ROUTES = Routes(VERSION)
_ALL = "/users/{user_id}/application_credentials"
_ONE = "/users/{user_id}/application_credentials/{credential_id}"
add_read(ROUTES, _ALL, list_credentials, policy="logged_in")
add_read(ROUTES, _ONE, show_credential, policy="logged_in")
ROUTES.add("POST", _ALL, create_credential, policy="logged_in", status=201, writes=False)
ROUTES.add("DELETE", _ONE, delete_credential, policy="logged_in", status=204)
