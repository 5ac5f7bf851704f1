"""A policy document that an operator keeps here for other services; this one does not read it.

What this service lets whom do is in its rules, which operators change in files.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from freehold.access import Rule
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity.attributes import HasExtra, Name255, Text, Wish, keep_extra
from freehold.identity.collection import MAXIMUM_ROWS, add_read, link, load, load_alone, page
from freehold.identity.version import VERSION
from freehold.store import Base, new_hex_id

RULES = [
    Rule("identity:get_policy", "rule:admin_required", "GET /v3/policies/{policy_id}"),
    Rule("identity:list_policies", "rule:admin_required", "GET /v3/policies"),
    Rule("identity:create_policy", "rule:admin_required", "POST /v3/policies"),
    Rule("identity:update_policy", "rule:admin_required", "PATCH /v3/policies/{policy_id}"),
    Rule("identity:delete_policy", "rule:admin_required", "DELETE /v3/policies/{policy_id}"),
]


class PolicyDocument(HasExtra, Base):
    """One document with its MIME type."""

    __tablename__ = "policy_documents"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_hex_id)
    type: Mapped[str]
    blob: Mapped[str]


class PolicyChange(Wish):
    """What may be said of a document."""

    type: Name255 = ""
    blob: Text = ""


class PolicyWish(PolicyChange):
    """A document to be kept."""

    type: Name255
    blob: Text


class NewPolicy(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid")
    policy: PolicyWish


class ChangedPolicy(BaseModel):
    """Body of an update."""

    model_config = ConfigDict(extra="forbid")
    policy: PolicyChange


LISTING = Listing(
    id=PolicyDocument.id,
    columns={"id": PolicyDocument.id, "type": PolicyDocument.type},
    default_sort=[SortKey("id")],
    maximum=MAXIMUM_ROWS,
)


def wire(call: Call, row: PolicyDocument) -> dict[str, Any]:
    """The document as the API shows it."""
    return {
        **row.extra,
        "id": row.id,
        "type": row.type,
        "blob": row.blob,
        "links": {"self": link(call, f"/policies/{row.id}")},
    }


def list_policies(call: Call) -> dict[str, Any]:
    """All documents; filter type."""
    return page(call, LISTING, select(PolicyDocument), "policies", wire)


def show_policy(call: Call, policy_id: str) -> dict[str, Any]:
    """One document."""
    return {"policy": wire(call, load(call.session, PolicyDocument, "policy", policy_id))}


def create_policy(call: Call, body: NewPolicy) -> dict[str, Any]:
    """Keep a document."""
    wish = body.policy
    row = PolicyDocument(id=new_hex_id(), type=wish.type, blob=wish.blob, extra={})
    keep_extra(row, wish)
    call.session.add(row)
    call.session.flush()
    call.audit("create", "policy", row.id)
    return {"policy": wire(call, row)}


def update_policy(call: Call, policy_id: str, body: ChangedPolicy) -> dict[str, Any]:
    """Change a document."""
    row = load_alone(call.session, PolicyDocument, "policy", policy_id)
    for name, value in body.policy.said("type", "blob").items():
        setattr(row, name, value)
    keep_extra(row, body.policy)
    call.session.flush()
    call.audit("update", "policy", row.id)
    return {"policy": wire(call, row)}


def delete_policy(call: Call, policy_id: str) -> Reply:
    """Forget a document."""
    call.session.delete(load(call.session, PolicyDocument, "policy", policy_id))
    call.audit("delete", "policy", policy_id)
    return Reply(status=204)


ROUTES = Routes(VERSION)
_ONE = "/policies/{policy_id}"
add_read(ROUTES, "/policies", list_policies, policy="identity:list_policies")
add_read(ROUTES, _ONE, show_policy, policy="identity:get_policy")
ROUTES.add("POST", "/policies", create_policy, policy="identity:create_policy", status=201)
ROUTES.add("PATCH", _ONE, update_policy, policy="identity:update_policy")
ROUTES.add("DELETE", _ONE, delete_policy, policy="identity:delete_policy", status=204)
