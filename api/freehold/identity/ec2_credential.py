"""EC2 credentials: the same rows as ``credential``, as pairs of keys that we make (OS-EC2)."""

from __future__ import annotations

import json
import secrets
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from freehold.access import Rule
from freehold.errors import NotFound
from freehold.http import Call, Reply, Routes
from freehold.identity.application_credential import require_unrestricted
from freehold.identity.attributes import Identifier
from freehold.identity.collection import add_read, collection, link, load
from freehold.identity.credential import EC2, OWN, Credential, ec2_id, in_reach, keep
from freehold.identity.delegation import require_in_reach
from freehold.identity.project import Project
from freehold.identity.user import User
from freehold.identity.version import VERSION
from freehold.store import new_hex_id

_PATH = "/v3/users/{user_id}/credentials/OS-EC2"
RULES = [
    Rule("identity:ec2_list_credentials", OWN, f"GET {_PATH}"),
    Rule("identity:ec2_get_credential", OWN, f"GET {_PATH}/{{access}}"),
    Rule("identity:ec2_create_credential", OWN, f"POST {_PATH}"),
    Rule("identity:ec2_delete_credential", OWN, f"DELETE {_PATH}/{{access}}"),
]


class NewPair(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid", strict=True)
    tenant_id: Identifier


def wire(call: Call, row: Credential) -> dict[str, Any]:
    """The pair as the API shows it to its owner."""
    blob = json.loads(call.access.vault.open(row.sealed))
    path = f"/users/{row.user_id}/credentials/OS-EC2/{blob['access']}"
    return {
        "access": blob["access"],
        "secret": blob.get("secret"),
        "user_id": row.user_id,
        "tenant_id": row.project_id,
        "trust_id": blob.get("trust_id"),
        "links": {"self": link(call, path)},
    }


def list_pairs(call: Call, user_id: str) -> dict[str, Any]:
    """A user's pairs."""
    call.enforce("identity:ec2_list_credentials", {"target.credential.user_id": user_id})
    load(call.session, User, "user", user_id)
    statement = select(Credential).where(Credential.user_id == user_id, Credential.type == EC2)
    rows = call.session.scalars(in_reach(call, statement).order_by(Credential.id))
    return collection(call, "credentials", [wire(call, row) for row in rows])


def show_pair(call: Call, user_id: str, access: str) -> dict[str, Any]:
    """One pair."""
    call.enforce("identity:ec2_get_credential", {"target.credential.user_id": user_id})
    return {"credential": wire(call, _of_user(call, user_id, access))}


def create_pair(call: Call, user_id: str, body: NewPair) -> dict[str, Any]:
    """Make a pair for a user in a project."""
    call.enforce("identity:ec2_create_credential", {"target.credential.user_id": user_id})
    require_unrestricted(call)
    load(call.session, User, "user", user_id)
    load(call.session, Project, "project", body.tenant_id)
    require_in_reach(call, body.tenant_id)
    pair = {"access": new_hex_id(), "secret": secrets.token_hex(32)}
    row = keep(call, EC2, user_id, body.tenant_id, json.dumps(pair))
    return {"credential": wire(call, row)}


def delete_pair(call: Call, user_id: str, access: str) -> Reply:
    """Forget a pair."""
    call.enforce("identity:ec2_delete_credential", {"target.credential.user_id": user_id})
    require_unrestricted(call)
    row = _of_user(call, user_id, access)
    call.session.delete(row)
    call.audit("delete", "credential", row.id)
    return Reply(status=204)


def _of_user(call: Call, user_id: str, access: str) -> Credential:
    row = call.session.get(Credential, ec2_id(access))
    if row is None or row.user_id != user_id or row.type != EC2:
        raise NotFound(f"Could not find credential: {access}.")
    require_in_reach(call, row.project_id)
    return row


ROUTES = Routes(VERSION)
_ALL = "/users/{user_id}/credentials/OS-EC2"
_ONE = f"{_ALL}/{{access}}"
add_read(ROUTES, _ALL, list_pairs, policy="logged_in")
add_read(ROUTES, _ONE, show_pair, policy="logged_in")
ROUTES.add("POST", _ALL, create_pair, policy="logged_in", status=201)
ROUTES.add("DELETE", _ONE, delete_pair, policy="logged_in", status=204)
