"""A user: who logs in. Passwords are kept apart and never shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Rule
from freehold.access.tokens import revoke
from freehold.errors import BadRequest, Conflict, Forbidden, NotAuthenticated
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity.attributes import (
    HasExtra,
    Identifier,
    Name255,
    Wish,
    keep_extra,
    merged_options,
    require_same,
)
from freehold.identity.collection import (
    MAXIMUM_ROWS,
    add_read,
    boolean,
    link,
    load,
    load_alone,
    page,
)
from freehold.identity.domain import DEFAULT_DOMAIN, Domain
from freehold.identity.password import (
    MAX_LENGTH,
    Password,
    hashed,
    keep_password,
    matches,
    past_hashes,
)
from freehold.identity.version import VERSION
from freehold.store import Base, lock, new_hex_id

OPTIONS = frozenset(
    {
        "ignore_change_password_upon_first_use",
        "ignore_password_expiry",
        "ignore_lockout_failure_attempts",
        "ignore_user_inactivity",
        "lock_password",
    }
)
"""There is no expiry and no inactivity to ignore; lockout heeds its option."""

RULES = [
    Rule(
        "identity:get_user",
        "rule:admin_required or user_id:%(target.user.id)s",
        "GET /v3/users/{user_id}",
    ),
    Rule("identity:list_users", "rule:admin_required", "GET /v3/users"),
    Rule("identity:create_user", "rule:admin_required", "POST /v3/users"),
    Rule("identity:update_user", "rule:admin_required", "PATCH /v3/users/{user_id}"),
    Rule("identity:delete_user", "rule:admin_required", "DELETE /v3/users/{user_id}"),
]


class User(HasExtra, Base):
    """One user."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("domain_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_hex_id)
    domain_id: Mapped[str] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    name: Mapped[str]
    enabled: Mapped[bool] = mapped_column(default=True)
    default_project_id: Mapped[str | None] = mapped_column(index=True)
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)


PasswordText = Annotated[str, StringConstraints(max_length=MAX_LENGTH)]


class UserChange(Wish):
    """What may be said of a user."""

    name: Name255 = ""
    domain_id: Identifier | None = None
    enabled: bool = True
    default_project_id: Identifier | None = None
    password: PasswordText | None = Field(default=None, repr=False)
    options: dict[str, Any] = Field(default_factory=dict)


class UserWish(UserChange):
    """A user to be made."""

    name: Name255


class NewUser(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid")
    user: UserWish


class ChangedUser(BaseModel):
    """Body of an update."""

    model_config = ConfigDict(extra="forbid")
    user: UserChange


class PasswordPair(BaseModel):
    """The old and the new password."""

    model_config = ConfigDict(extra="forbid", strict=True)
    original_password: str = Field(repr=False)
    password: PasswordText = Field(repr=False)


class ChangedPassword(BaseModel):
    """Body of ``POST /v3/users/{user_id}/password``."""

    model_config = ConfigDict(extra="forbid")
    user: PasswordPair


LISTING = Listing(
    id=User.id,
    columns={
        "id": User.id,
        "name": User.name,
        "domain_id": User.domain_id,
        "enabled": User.enabled,
        "default_project_id": User.default_project_id,
    },
    parsers={"enabled": boolean},
    default_sort=[SortKey("name")],
    maximum=MAXIMUM_ROWS,
)


def wire(call: Call, user: User) -> dict[str, Any]:
    """The user as the API shows it."""
    shown = {
        **user.extra,
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain_id,
        "enabled": user.enabled,
        "password_expires_at": None,
        "options": user.options,
        "links": {"self": link(call, f"/users/{user.id}")},
    }
    if user.default_project_id is not None:
        shown["default_project_id"] = user.default_project_id
    return shown


def list_users(call: Call) -> dict[str, Any]:
    """All users; filters name, domain_id, enabled."""
    return page(call, LISTING, select(User), "users", wire)


def show_user(call: Call, user_id: str) -> dict[str, Any]:
    """One user."""
    call.enforce("identity:get_user", {"target.user.id": user_id})
    return {"user": wire(call, load(call.session, User, "user", user_id))}


def create_user(call: Call, body: NewUser) -> dict[str, Any]:
    """Make a user. The password is hashed before the transaction, which no writer waits for."""
    wish = body.user
    secret = None if wish.password is None else hashed(wish.password)
    return call.write(lambda: _create(call, wish, secret))


def _create(call: Call, wish: UserWish, secret: str | None) -> dict[str, Any]:
    domain_id = wish.domain_id or call.caller.scope.domain_id or DEFAULT_DOMAIN
    load(call.session, Domain, "domain", domain_id)
    _require_free_name(call.session, domain_id, wish.name)
    user = User(
        id=new_hex_id(),
        domain_id=domain_id,
        name=wish.name,
        enabled=wish.enabled,
        default_project_id=wish.default_project_id,
        options=merged_options({}, wish.options, OPTIONS),
        extra={},
    )
    keep_extra(user, wish)
    call.session.add(user)
    call.session.flush()
    if secret is not None:
        keep_password(call.session, user.id, secret, call.now)
    call.audit("create", "user", user.id)
    return {"user": wire(call, user)}


def update_user(call: Call, user_id: str, body: ChangedUser) -> dict[str, Any]:
    """Change a user; a new password or disabling voids their tokens."""
    wish = body.user
    secret = None if wish.password is None else hashed(wish.password)
    return call.write(lambda: _update(call, user_id, wish, secret))


def _update(call: Call, user_id: str, wish: UserChange, secret: str | None) -> dict[str, Any]:
    user = load_alone(call.session, User, "user", user_id)
    require_same(wish, domain_id=user.domain_id)
    said = wish.said("name", "enabled", "default_project_id")
    if said.get("name", user.name) != user.name:
        _require_free_name(call.session, user.domain_id, wish.name)
    if user.enabled and said.get("enabled") is False:
        revoke(call.session, call.now, user_id=user.id)
    for key, value in said.items():
        setattr(user, key, value)
    if "options" in wish.model_fields_set:
        user.options = merged_options(user.options, wish.options, OPTIONS)
    keep_extra(user, wish)
    if secret is not None:
        keep_password(call.session, user.id, secret, call.now, history=call.config.password_history)
        revoke(call.session, call.now, user_id=user.id)
    call.session.flush()
    call.audit("update", "user", user.id)
    return {"user": wire(call, user)}


def delete_user(call: Call, user_id: str) -> Reply:
    """Remove a user with their assignments; void their tokens."""
    user = load(call.session, User, "user", user_id)
    revoke(call.session, call.now, user_id=user.id)
    call.session.delete(user)
    call.audit("delete", "user", user_id)
    return Reply(status=204)


def change_password(call: Call, user_id: str, body: ChangedPassword) -> Reply:
    """Let a user change their own password, proving that they know the old one. No token needed.

    Hashing is done outside the write transaction, so that guessing here delays no writer.
    """
    user = call.session.get(User, user_id)
    kept = call.session.get(Password, user_id)
    right = matches(body.user.original_password, kept.hash if kept else None)
    if user is None or kept is None or not right or not user.enabled:
        raise NotAuthenticated("The request you have made requires authentication.")
    if user.options.get("lock_password"):
        raise Forbidden(f"The password of user {user_id} is locked; ask an administrator.")
    history = call.config.password_history
    _require_new(call.session, kept, body.user.password, history)
    old, fresh = kept.hash, hashed(body.user.password)

    def keep() -> None:
        lock(call.session, "identity", "password", user_id)
        if call.session.scalar(select(Password.hash).where(Password.user_id == user_id)) != old:
            raise Conflict(f"The password of user {user_id} was changed meanwhile; try again.")
        keep_password(call.session, user_id, fresh, call.now, history=history)
        revoke(call.session, call.now, user_id=user_id)
        call.audit("change_password", "user", user_id)

    call.write(keep)
    return Reply(status=204)


def _require_new(session: Session, kept: Password, password: str, history: int) -> None:
    """Refuse (BadRequest) one of the last ``history`` passwords, where the settings say so."""
    if history < 1:
        return
    for known in (kept.hash, *past_hashes(session, kept.user_id, history)):
        if matches(password, known):
            raise BadRequest(
                f"The new password cannot be identical to a previous password; the last {history} "
                "are remembered."
            )


def set_password(session: Session, user_id: str, password: str, now: datetime) -> None:
    """Hash a new password and store that."""
    keep_password(session, user_id, hashed(password), now)


def _require_free_name(session: Session, domain_id: str, name: str) -> None:
    lock(session, "identity", "user", domain_id)
    taken = select(User.id).where(User.domain_id == domain_id, User.name == name)
    if session.scalar(taken) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store user - Duplicate entry found with name {name} "
            f"at domain ID {domain_id}."
        )


ROUTES = Routes(VERSION)
_ONE = "/users/{user_id}"
add_read(ROUTES, "/users", list_users, policy="identity:list_users")
add_read(ROUTES, _ONE, show_user, policy="logged_in")
# These three hash first and open their own write transaction after it.
ROUTES.add("POST", "/users", create_user, policy="identity:create_user", status=201, writes=False)
ROUTES.add("PATCH", _ONE, update_user, policy="identity:update_user", writes=False)
ROUTES.add("POST", f"{_ONE}/password", change_password, policy=None, status=204, writes=False)
ROUTES.add("DELETE", _ONE, delete_user, policy="identity:delete_user", status=204)
