"""Key pairs: public keys of users; a private key made here is told once and kept nowhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Index, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Limit, Rule, require_room
from freehold.compute.link import next_page
from freehold.compute.public_key import SSH, fingerprint, generate
from freehold.compute.quota import QUOTA_DEFAULTS, SERVICE
from freehold.errors import BadRequest, Conflict, NotFound, QuotaExceeded
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.store import Base, lock

POLICY = "os_compute_api:os-keypairs"
OWN = "rule:admin_required or user_id:%(user_id)s"
RULES = [
    Rule(f"{POLICY}:index", OWN, "GET /os-keypairs"),
    Rule(f"{POLICY}:show", OWN, "GET /os-keypairs/{name}"),
    Rule(f"{POLICY}:create", OWN, "POST /os-keypairs"),
    Rule(f"{POLICY}:delete", OWN, "DELETE /os-keypairs/{name}"),
]


class KeyPair(Base):
    """One public key of one user."""

    __tablename__ = "key_pairs"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    user_id: Mapped[str]
    name: Mapped[str]
    type: Mapped[str] = mapped_column(default="ssh")
    public_key: Mapped[str]
    fingerprint: Mapped[str]
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_key_pairs_owner", "user_id", "name", unique=True),)

    def snapshot(self) -> dict[str, Any]:
        """What a server remembers of its key, so that removing the pair leaves servers alone."""
        return {"public_key": self.public_key, "type": self.type}


class KeyPairWish(BaseModel):
    """Body of POST."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=255)
    public_key: str | None = Field(default=None, max_length=16384)
    type: Literal["ssh", "x509"] | None = None
    user_id: str | None = Field(default=None, min_length=1, max_length=255)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    keypair: KeyPairWish


LISTING = Listing(id=KeyPair.name, columns={"name": KeyPair.name}, default_sort=(SortKey("name"),))


def find_keypair(session: Session, user_id: str, name: str) -> KeyPair | None:
    """A user's key pair by name."""
    return session.scalars(
        select(KeyPair).where(KeyPair.user_id == user_id, KeyPair.name == name)
    ).first()


def _user(call: Call, verb: str, asked: str | None) -> str:
    """Whose key pairs: one's own, or from 2.10 those of the user that an operator names."""
    user_id = asked if asked and call.at_least("2.10") else str(call.caller.user_id)
    call.enforce(f"{POLICY}:{verb}", {"user_id": user_id})
    return user_id


def wire(call: Call, pair: KeyPair) -> dict[str, Any]:
    """A key pair in its wire form."""
    shown = {
        "name": pair.name,
        "public_key": pair.public_key,
        "fingerprint": pair.fingerprint,
    }
    if call.at_least("2.2"):
        shown["type"] = pair.type
    return shown


def list_keypairs(call: Call) -> dict[str, Any]:
    """The user's key pairs; paged from 2.35."""
    user_id = _user(call, "index", call.params.get("user_id"))
    statement = select(KeyPair).where(KeyPair.user_id == user_id)
    paged = call.at_least("2.35")
    page = LISTING.page(
        call.session,
        statement,
        limit=LISTING.limit(call.params.get("limit")) if paged else None,
        marker=call.params.get("marker") if paged else None,
    )
    body: dict[str, Any] = {"keypairs": [{"keypair": wire(call, pair)} for pair in page.rows]}
    if page.more and paged:
        body |= next_page(call, "keypairs_links", "/os-keypairs", page.rows[-1].name)
    return body


def _pair(call: Call, verb: str, name: str) -> KeyPair:
    user_id = _user(call, verb, call.params.get("user_id"))
    pair = find_keypair(call.session, user_id, name)
    if pair is None:
        raise NotFound(f"Keypair {name} not found for user {user_id}")
    return pair


def show_keypair(call: Call, name: str) -> dict[str, Any]:
    """One key pair."""
    pair = _pair(call, "show", name)
    return {
        "keypair": wire(call, pair)
        | {
            "user_id": pair.user_id,
            "id": pair.id,
            "created_at": pair.created_at.replace(tzinfo=None).isoformat(),
            "updated_at": None,
            "deleted": False,
            "deleted_at": None,
        }
    }


def create_keypair(call: Call, body: _Body) -> Reply:
    """Keep a public key, or (until 2.91) make a pair and tell its private half once."""
    wish = body.keypair
    _check(call, wish)
    user_id = _user(call, "create", wish.user_id)
    lock(call.session, "key_pairs", user_id)
    if find_keypair(call.session, user_id, wish.name) is not None:
        raise Conflict(f"Key pair '{wish.name}' already exists.")
    _require_room(call, user_id)
    kind = wish.type or SSH
    made = generate(kind, user_id, call.now) if wish.public_key is None else None
    public = made.public if made else str(wish.public_key)
    pair = KeyPair(
        user_id=user_id,
        name=wish.name,
        type=kind,
        public_key=public,
        fingerprint=fingerprint(kind, public),
        created_at=call.now,
    )
    call.session.add(pair)
    call.session.flush()
    call.audit("create", "keypair", wish.name)
    shown = wire(call, pair) | {"user_id": user_id}
    if made is not None:
        shown["private_key"] = made.private
    return Reply({"keypair": shown}, 201 if call.at_least("2.2") else 200)


def _check(call: Call, wish: KeyPairWish) -> None:
    """Refuse (BadRequest) what this microversion does not know, and names that cannot be shown."""
    for field, since in (("type", "2.2"), ("user_id", "2.10")):
        if field in wish.model_fields_set and not call.at_least(since):
            raise BadRequest(f"Invalid input: {field} needs microversion {since}.")
    if wish.public_key is None and call.at_least("2.92"):
        raise BadRequest("Invalid input: public_key is a required property.")
    # API reference, "Keypairs", name; nova's schema says what it was before 2.92.
    signs = "_- @." if call.at_least("2.92") else "_- "
    plain = all(sign in signs or (sign.isascii() and sign.isalnum()) for sign in wish.name)
    if not plain or wish.name != wish.name.strip():
        raise BadRequest(
            f"Keypair data is invalid: a name has ASCII letters, digits and {signs!r}, and no "
            "space at its ends."
        )


def _require_room(call: Call, user_id: str) -> None:
    project_id = str(call.caller.project_id)
    count = select(func.count()).select_from(KeyPair).where(KeyPair.user_id == user_id)
    used = call.session.scalar(count) or 0
    try:
        require_room(call.session, project_id, SERVICE, QUOTA_DEFAULTS, [Limit("key_pairs", used)])
    except QuotaExceeded as error:
        raise QuotaExceeded("Quota exceeded, too many key pairs.") from error


def delete_keypair(call: Call, name: str) -> Reply:
    """Forget a key pair; servers made with it keep the key."""
    call.session.delete(_pair(call, "delete", name))
    call.audit("delete", "keypair", name)
    return Reply(None, 204 if call.at_least("2.2") else 202)


def routes(table: Routes) -> None:
    """Add the routes of key pairs."""
    one = "/os-keypairs/{name:path}"
    table.add("GET", "/os-keypairs", list_keypairs, policy=f"{POLICY}:index")
    table.add("POST", "/os-keypairs", create_keypair, policy=f"{POLICY}:create", also=[201])
    table.add("GET", one, show_keypair, policy=f"{POLICY}:show")
    table.add("DELETE", one, delete_keypair, policy=f"{POLICY}:delete", status=204, also=[202])
