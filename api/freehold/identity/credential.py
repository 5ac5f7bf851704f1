"""A credential: a secret of a user that other systems ask for, such as keys for EC2 and S3 clients.

It is shown again to its owner, so it is kept encrypted. The id of an ``ec2`` credential follows
from its access key, so that the key finds it (API reference, "Credentials").
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from sqlalchemy import ForeignKey, Select, select
from sqlalchemy.orm import Mapped, mapped_column

from freehold.access import Rule
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity.application_credential import require_unrestricted
from freehold.identity.attributes import Identifier, Name255, Wish, require_same
from freehold.identity.collection import MAXIMUM_ROWS, add_read, link, load, page
from freehold.identity.delegation import reaches_one_project, require_in_reach
from freehold.identity.project import Project
from freehold.identity.user import User
from freehold.identity.version import VERSION
from freehold.store import Base, new_hex_id

EC2 = "ec2"
MAX_BLOB = 65_535
OWN = "rule:admin_required or user_id:%(target.credential.user_id)s"
RULES = [
    Rule("identity:list_credentials", "rule:logged_in", "GET /v3/credentials"),
    Rule("identity:get_credential", OWN, "GET /v3/credentials/{credential_id}"),
    Rule("identity:create_credential", OWN, "POST /v3/credentials"),
    Rule("identity:update_credential", OWN, "PATCH /v3/credentials/{credential_id}"),
    Rule("identity:delete_credential", OWN, "DELETE /v3/credentials/{credential_id}"),
]


class Credential(Base):
    """One credential; goes with its user and its project.

    Attributes:
        sealed: The blob, encrypted by the vault.
    """

    __tablename__ = "credentials"

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    project_id: Mapped[str | None] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    sealed: Mapped[bytes]


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    return text


Blob = Annotated[str, StringConstraints(max_length=MAX_BLOB), AfterValidator(_without_nul)]


class CredentialChange(Wish):
    """What may be said of a credential; only its blob changes."""

    model_config = ConfigDict(extra="allow", strict=True, hide_input_in_errors=True)
    blob: Blob = ""
    type: Name255 = ""
    user_id: Identifier | None = None
    project_id: Identifier | None = None


class CredentialWish(CredentialChange):
    """A credential to be made."""

    blob: Blob
    type: Name255
    user_id: Identifier


class NewCredential(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    credential: CredentialWish


class ChangedCredential(BaseModel):
    """Body of an update."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    credential: CredentialChange


LISTING = Listing(
    id=Credential.id,
    columns={"id": Credential.id, "user_id": Credential.user_id, "type": Credential.type},
    default_sort=[SortKey("id")],
    maximum=MAXIMUM_ROWS,
)


def wire(call: Call, row: Credential) -> dict[str, Any]:
    """The credential as the API shows it to its owner."""
    return {
        "id": row.id,
        "type": row.type,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "blob": call.access.vault.open(row.sealed),
        "links": {"self": link(call, f"/credentials/{row.id}")},
    }


def list_credentials(call: Call) -> dict[str, Any]:
    """One's own credentials, all for administrators; filters user_id, type."""
    statement = select(Credential)
    if not call.may("identity:get_credential", {"target.credential.user_id": None}):
        statement = statement.where(Credential.user_id == call.caller.user_id)
    return page(call, LISTING, in_reach(call, statement), "credentials", wire)


def in_reach(call: Call, statement: Select[Any]) -> Select[Any]:
    """Only credentials of the project that the caller is bound to, if they are."""
    if not reaches_one_project(call):
        return statement
    return statement.where(Credential.project_id == call.caller.project_id)


def show_credential(call: Call, credential_id: str) -> dict[str, Any]:
    """One credential."""
    return {"credential": wire(call, _of(call, credential_id, "get"))}


def create_credential(call: Call, body: NewCredential) -> dict[str, Any]:
    """Store a credential."""
    wish = body.credential
    call.enforce("identity:create_credential", {"target.credential.user_id": wish.user_id})
    require_unrestricted(call)
    require_in_reach(call, wish.project_id)
    load(call.session, User, "user", wish.user_id)
    if wish.project_id is not None:
        load(call.session, Project, "project", wish.project_id)
    row = keep(call, wish.type, wish.user_id, wish.project_id, wish.blob)
    return {"credential": wire(call, row)}


def keep(call: Call, kind: str, user_id: str, project_id: str | None, blob: str) -> Credential:
    """Store a credential of a user who is known.

    Raises:
        BadRequest: The blob is not what the type wants.
        Conflict: There is one with this access key.
    """
    id_ = new_hex_id()
    if kind == EC2:
        if project_id is None:
            raise BadRequest("project_id: an ec2 credential is for a project; name it.")
        id_ = ec2_id(_access_of(blob))
        blob = _with_delegation(call, blob)
        if call.session.get(Credential, id_) is not None:
            raise Conflict("Conflict occurred attempting to store credential - Duplicate entry.")
    sealed = call.access.vault.close(blob)
    row = Credential(id=id_, type=kind, user_id=user_id, project_id=project_id, sealed=sealed)
    call.session.add(row)
    call.session.flush()
    call.audit("create", "credential", row.id)
    return row


def _with_delegation(call: Call, blob: str) -> str:
    """The blob with the trust or program that made it: a login with it must be bound by that."""
    pair = json.loads(blob)
    made_by = {
        "trust_id": call.caller.trust.trust_id if call.caller.trust else None,
        "app_cred_id": call.caller.application_credential_id,
    }
    told = {name: id_ for name, id_ in made_by.items() if id_ is not None}
    return json.dumps({**pair, **told}) if told else blob


def _require_same_delegation(old: str, new: str) -> None:
    """Refuse (BadRequest) to lift what binds an ec2 credential."""
    before, after = json.loads(old), json.loads(new)
    for name in ("trust_id", "app_cred_id"):
        if before.get(name) != after.get(name):
            raise BadRequest(f"{name} can not be updated for credential.")


def ec2_id(access: str) -> str:
    """The id of the credential with this access key."""
    return hashlib.sha256(access.encode()).hexdigest()


def _access_of(blob: str) -> str:
    try:
        access = json.loads(blob)["access"]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BadRequest("Invalid blob in credential: JSON with access and secret.") from error
    if not isinstance(access, str) or not access:
        raise BadRequest("Invalid blob in credential: access is no text.")
    return access


def update_credential(call: Call, credential_id: str, body: ChangedCredential) -> dict[str, Any]:
    """Change a credential's blob; its owner, project and type stay."""
    wish = body.credential
    row = _of(call, credential_id, "update")
    require_unrestricted(call)
    require_same(wish, type=row.type, user_id=row.user_id, project_id=row.project_id)
    if "blob" in wish.model_fields_set:
        if row.type == EC2:
            _access_of(wish.blob)
            _require_same_delegation(call.access.vault.open(row.sealed), wish.blob)
        row.sealed = call.access.vault.close(wish.blob)
    call.session.flush()
    call.audit("update", "credential", row.id)
    return {"credential": wire(call, row)}


def delete_credential(call: Call, credential_id: str) -> Reply:
    """Forget a credential."""
    row = _of(call, credential_id, "delete")
    require_unrestricted(call)
    call.session.delete(row)
    call.audit("delete", "credential", credential_id)
    return Reply(status=204)


def _of(call: Call, credential_id: str, verb: str) -> Credential:
    """The credential; one of somebody else is answered as one that nobody has."""
    row = call.session.get(Credential, credential_id)
    owner = row.user_id if row is not None else None
    rule = f"identity:{verb}_credential"
    call.enforce(rule, {"target.credential.user_id": owner})
    found = load(call.session, Credential, "credential", credential_id)
    require_in_reach(call, found.project_id)
    return found


ROUTES = Routes(VERSION)
_ONE = "/credentials/{credential_id}"
add_read(ROUTES, "/credentials", list_credentials, policy="identity:list_credentials")
add_read(ROUTES, _ONE, show_credential, policy="logged_in")
ROUTES.add("POST", "/credentials", create_credential, policy="logged_in", status=201)
ROUTES.add("PATCH", _ONE, update_credential, policy="logged_in")
ROUTES.add("DELETE", _ONE, delete_credential, policy="logged_in", status=204)
