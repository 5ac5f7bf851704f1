"""A domain: the name space of users, groups and projects. ``default`` always exists."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Rule
from freehold.access.tokens import revoke
from freehold.errors import Conflict, Forbidden
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity.attributes import (
    HasExtra,
    Name64,
    Text,
    Wish,
    keep_extra,
    merged_options,
    require_mutable,
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
from freehold.identity.version import VERSION
from freehold.store import Base, lock, new_hex_id

DEFAULT_DOMAIN = "default"
OPTIONS = frozenset({"immutable"})

RULES = [
    Rule(
        "identity:get_domain",
        "rule:admin_required or domain_id:%(target.domain.id)s "
        "or project_domain_id:%(target.domain.id)s or user_domain_id:%(target.domain.id)s",
        "GET /v3/domains/{domain_id}",
    ),
    Rule("identity:list_domains", "rule:admin_required", "GET /v3/domains"),
    Rule("identity:create_domain", "rule:admin_required", "POST /v3/domains"),
    Rule("identity:update_domain", "rule:admin_required", "PATCH /v3/domains/{domain_id}"),
    Rule("identity:delete_domain", "rule:admin_required", "DELETE /v3/domains/{domain_id}"),
]


class Domain(HasExtra, Base):
    """One domain."""

    __tablename__ = "domains"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_hex_id)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)


class DomainChange(Wish):
    """What may be said of a domain."""

    name: Name64 = ""
    description: Text | None = None
    enabled: bool = True
    options: dict[str, Any] = Field(default_factory=dict)


class DomainWish(DomainChange):
    """A domain to be made."""

    name: Name64
    explicit_domain_id: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")


class NewDomain(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid")
    domain: DomainWish


class ChangedDomain(BaseModel):
    """Body of an update."""

    model_config = ConfigDict(extra="forbid")
    domain: DomainChange


LISTING = Listing(
    id=Domain.id,
    columns={"id": Domain.id, "name": Domain.name, "enabled": Domain.enabled},
    parsers={"enabled": boolean},
    default_sort=[SortKey("name")],
    maximum=MAXIMUM_ROWS,
)


def wire(call: Call, domain: Domain) -> dict[str, Any]:
    """The domain as the API shows it."""
    return {
        **domain.extra,
        "id": domain.id,
        "name": domain.name,
        "description": domain.description or "",
        "enabled": domain.enabled,
        "tags": [],
        "options": domain.options,
        "links": {"self": link(call, f"/domains/{domain.id}")},
    }


def list_domains(call: Call) -> dict[str, Any]:
    """Every domain."""
    return page(call, LISTING, select(Domain), "domains", wire)


def show_domain(call: Call, domain_id: str) -> dict[str, Any]:
    """One domain."""
    call.enforce("identity:get_domain", {"target.domain.id": domain_id})
    return {"domain": wire(call, load(call.session, Domain, "domain", domain_id))}


def create_domain(call: Call, body: NewDomain) -> dict[str, Any]:
    """Make a domain."""
    wish = body.domain
    _require_free_name(call.session, wish.name)
    domain = Domain(
        id=wish.explicit_domain_id or new_hex_id(),
        name=wish.name,
        description=wish.description,
        enabled=wish.enabled,
        options=merged_options({}, wish.options, OPTIONS),
        extra={},
    )
    if call.session.get(Domain, domain.id) is not None:
        raise Conflict(f"Duplicate ID, {domain.id}.")
    keep_extra(domain, wish)
    call.session.add(domain)
    call.session.flush()
    call.audit("create", "domain", domain.id)
    return {"domain": wire(call, domain)}


def update_domain(call: Call, domain_id: str, body: ChangedDomain) -> dict[str, Any]:
    """Change a domain; disabling it voids the tokens of all that is in it."""
    wish = body.domain
    domain = load_alone(call.session, Domain, "domain", domain_id)
    options = wish.said("options").get("options")
    require_mutable("domain", domain_id, domain.options, options)
    said = wish.said("name", "description", "enabled")
    if said.get("name", domain.name) != domain.name:
        _require_free_name(call.session, wish.name)
    if domain.enabled and said.get("enabled") is False:
        revoke(call.session, call.now, domain_id=domain.id)
    for key, value in said.items():
        setattr(domain, key, value)
    if options is not None:
        domain.options = merged_options(domain.options, options, OPTIONS)
    keep_extra(domain, wish)
    call.session.flush()
    call.audit("update", "domain", domain.id)
    return {"domain": wire(call, domain)}


def delete_domain(call: Call, domain_id: str) -> Reply:
    """Remove a disabled domain with its users, groups and projects."""
    domain = load_alone(call.session, Domain, "domain", domain_id)
    require_mutable("domain", domain_id, domain.options)
    if domain.id == DEFAULT_DOMAIN:
        raise Forbidden("The default domain cannot be deleted.")
    if domain.enabled:
        raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
    revoke(call.session, call.now, domain_id=domain.id)
    call.session.delete(domain)
    call.audit("delete", "domain", domain_id)
    return Reply(status=204)


def _require_free_name(session: Session, name: str) -> None:
    lock(session, "identity", "domain")
    if session.scalar(select(Domain.id).where(Domain.name == name)) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store domain - it is not permitted to have two "
            f"domains with the same name: {name}."
        )


ROUTES = Routes(VERSION)
add_read(ROUTES, "/domains", list_domains, policy="identity:list_domains")
add_read(ROUTES, "/domains/{domain_id}", show_domain, policy="logged_in")
ROUTES.add("POST", "/domains", create_domain, policy="identity:create_domain", status=201)
ROUTES.add("PATCH", "/domains/{domain_id}", update_domain, policy="identity:update_domain")
ROUTES.add(
    "DELETE", "/domains/{domain_id}", delete_domain, policy="identity:delete_domain", status=204
)
