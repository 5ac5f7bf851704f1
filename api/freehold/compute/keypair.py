"""Key pairs: public keys of users; a private key made here is told once and kept nowhere."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Index, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Limit, Rule, hold, require_room
from freehold.compute.quota import QUOTA_DEFAULTS, SERVICE
from freehold.compute.times import iso_time
from freehold.errors import BadRequest, Conflict, NotFound, QuotaExceeded
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.store import Base

RSA_BITS = 2048
OLD_NAME = re.compile(r"^[a-zA-Z0-9 _-]+$")
NAME = re.compile(r"^[a-zA-Z0-9@._ -]+$")
RULES = [
    Rule("os_compute_api:os-keypairs", "rule:logged_in", "A user's own key pairs"),
    Rule("os_compute_api:os-keypairs:others", "rule:admin_required", "Key pairs of other users"),
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
    type: Literal["ssh"] | None = None
    user_id: str | None = Field(default=None, max_length=255)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    keypair: KeyPairWish


LISTING = Listing(id=KeyPair.name, columns={"name": KeyPair.name}, default_sort=(SortKey("name"),))


def find_keypair(session: Session, user_id: str, name: str) -> KeyPair | None:
    """A user's key pair by name."""
    return session.scalars(
        select(KeyPair).where(KeyPair.user_id == user_id, KeyPair.name == name)
    ).first()


def _user(call: Call, asked: str | None) -> str:
    """Whose key pairs: one's own, or from 2.10 those of the user that an operator names."""
    own = str(call.caller.user_id)
    if asked is None or asked == own:
        return own
    if not call.at_least("2.10"):
        raise BadRequest("user_id needs microversion 2.10.")
    call.enforce("os_compute_api:os-keypairs:others")
    return asked


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
    user_id = _user(call, call.params.get("user_id"))
    statement = select(KeyPair).where(KeyPair.user_id == user_id)
    paged = call.at_least("2.35")
    limit = LISTING.limit(call.params.get("limit")) if paged else None
    marker = call.params.get("marker") if paged else None
    page = LISTING.page(call.session, statement, limit=limit, marker=marker)
    body: dict[str, Any] = {"keypairs": [{"keypair": wire(call, pair)} for pair in page.rows]}
    if page.more and paged:
        query = f"limit={limit or len(page.rows)}&marker={page.rows[-1].name}"
        href = call.url(f"/compute/v2.1/os-keypairs?{query}")
        body["keypairs_links"] = [{"rel": "next", "href": href}]
    return body


def _pair(call: Call, name: str) -> KeyPair:
    pair = find_keypair(call.session, _user(call, call.params.get("user_id")), name)
    if pair is None:
        raise NotFound(f"Keypair {name} not found for user {call.caller.user_id}")
    return pair


def show_keypair(call: Call, name: str) -> dict[str, Any]:
    """One key pair."""
    pair = _pair(call, name)
    return {
        "keypair": wire(call, pair)
        | {
            "user_id": pair.user_id,
            "id": pair.id,
            "created_at": iso_time(pair.created_at),
            "updated_at": None,
            "deleted": False,
            "deleted_at": None,
        }
    }


def create_keypair(call: Call, body: _Body) -> Reply:
    """Keep a public key, or (until 2.91) make a pair and tell its private half once."""
    wish = body.keypair
    if wish.type is not None and not call.at_least("2.2"):
        raise BadRequest("Invalid input: type needs microversion 2.2.")
    form = NAME if call.at_least("2.92") else OLD_NAME
    # Names of other characters were allowed by older clouds and are still asked for; only what no
    # header or file name can carry is refused.
    if not form.match(wish.name) and (
        not wish.name.isprintable() or wish.name != wish.name.strip()
    ):
        raise BadRequest("Keypair data is invalid: the name has characters that cannot be shown.")
    user_id = _user(call, wish.user_id)
    if find_keypair(call.session, user_id, wish.name) is not None:
        raise Conflict(f"Key pair '{wish.name}' already exists.")
    _require_room(call, user_id)
    private = None
    public = wish.public_key
    if public is None:
        if call.at_least("2.92"):
            raise BadRequest("Invalid input: public_key is a required property.")
        private, public = generate()
    pair = KeyPair(
        user_id=user_id,
        name=wish.name,
        type="ssh",
        public_key=public,
        fingerprint=fingerprint(public),
        created_at=call.now,
    )
    call.session.add(pair)
    call.session.flush()
    call.audit("create", "keypair", wish.name)
    shown = wire(call, pair) | {"user_id": user_id}
    if private is not None:
        shown["private_key"] = private
    return Reply({"keypair": shown}, 201 if call.at_least("2.2") else 200)


def _require_room(call: Call, user_id: str) -> None:
    project_id = str(call.caller.project_id)
    hold(call.session, project_id, SERVICE)
    count = select(func.count()).select_from(KeyPair).where(KeyPair.user_id == user_id)
    used = call.session.scalar(count) or 0
    try:
        require_room(call.session, project_id, SERVICE, QUOTA_DEFAULTS, [Limit("key_pairs", used)])
    except QuotaExceeded as error:
        raise QuotaExceeded("Quota exceeded, too many key pairs.") from error


def generate() -> tuple[str, str]:
    """A new RSA pair: private half as PEM, public half as an OpenSSH line."""
    key = rsa.generate_private_key(65537, RSA_BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), f"{public.decode()} Generated-by-Freehold"


def fingerprint(public_key: str) -> str:
    """MD5 over the key's blob in colon form, which is how the API has always shown it.

    Raises:
        BadRequest: The text is no OpenSSH public key.
    """
    try:
        serialization.load_ssh_public_key(public_key.strip().encode())
        blob = base64.b64decode(public_key.split()[1])
    except (ValueError, UnsupportedAlgorithm, IndexError, UnicodeError) as error:
        raise BadRequest("Keypair data is invalid: failed to generate fingerprint") from error
    if "\n" in public_key.strip():
        raise BadRequest("Keypair data is invalid: one key on one line")
    return hashlib.md5(blob, usedforsecurity=False).digest().hex(":")


def delete_keypair(call: Call, name: str) -> Reply:
    """Forget a key pair; servers made with it keep the key."""
    call.session.delete(_pair(call, name))
    call.audit("delete", "keypair", name)
    return Reply(None, 204 if call.at_least("2.2") else 202)


def routes(table: Routes) -> None:
    """Add the routes of key pairs."""
    policy = "os_compute_api:os-keypairs"
    table.add("GET", "/os-keypairs", list_keypairs, policy=policy)
    table.add("POST", "/os-keypairs", create_keypair, policy=policy)
    table.add("GET", "/os-keypairs/{name:path}", show_keypair, policy=policy)
    table.add("DELETE", "/os-keypairs/{name:path}", delete_keypair, policy=policy)
