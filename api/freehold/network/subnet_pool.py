"""Subnet pools: address space that subnets are cut from without overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netaddr import IPNetwork
from pydantic import Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Caller, Limit, Rule, hold, require_room
from freehold.errors import BadRequest, QuotaExceeded
from freehold.http import Call, Listing, Routes, SortKey, Whole
from freehold.network.collection import boolean, listed, number, one
from freehold.network.quota import DEFAULTS, used
from freehold.network.request import Address, Named, Owned, Strict
from freehold.network.standard import Standard, find, own_or, owner
from freehold.network.subnet import Subnet
from freehold.network.subnet_pool_range import (
    Lengths,
    asked_range,
    chosen_range,
    covers,
    lengths_of,
    prefixes_of,
    quota_units,
)
from freehold.network.tag import forget_tags, tags_of
from freehold.store import Base, lock, new_id

RULES = [
    Rule("create_subnetpool", "rule:admin_or_member", "POST /subnetpools"),
    Rule("create_subnetpool:shared", "rule:admin_required", "Make a pool for all projects"),
    Rule("create_subnetpool:is_default", "rule:admin_required", "Make the usual pool"),
    Rule("get_subnetpool", "rule:logged_in", "GET /subnetpools"),
    Rule("update_subnetpool", "rule:admin_or_member", "PUT /subnetpools/{id}"),
    Rule("update_subnetpool:is_default", "rule:admin_required", "Make it the usual pool"),
    Rule("delete_subnetpool", "rule:admin_or_member", "DELETE /subnetpools/{id}"),
]
LENGTHS = ("min_prefixlen", "default_prefixlen", "max_prefixlen")


class SubnetPool(Standard, Base):
    """One pool.

    Attributes:
        default_quota: How much of it a project may have, None without limit; see ``quota_units``.
    """

    __tablename__ = "subnet_pools"

    ip_version: Mapped[int]
    prefixes: Mapped[list[str]]
    min_prefixlen: Mapped[int]
    default_prefixlen: Mapped[int]
    max_prefixlen: Mapped[int]
    default_quota: Mapped[int | None]
    shared: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)

    @property
    def lengths(self) -> Lengths:
        """The prefix lengths that it gives."""
        return Lengths(self.min_prefixlen, self.default_prefixlen, self.max_prefixlen)


class SubnetPoolChange(Named):
    """Body of PUT, and what POST has in common with it."""

    ABSENT = frozenset({"address_scope_id"})
    prefixes: list[Address] | None = Field(default=None, min_length=1, max_length=100)
    min_prefixlen: Whole | None = Field(default=None, ge=0, le=128)
    default_prefixlen: Whole | None = Field(default=None, ge=0, le=128)
    max_prefixlen: Whole | None = Field(default=None, ge=0, le=128)
    default_quota: Whole | None = Field(default=None, ge=0, le=2**31 - 1)
    is_default: bool = False


class SubnetPoolWish(SubnetPoolChange, Owned):
    """Body of POST."""

    prefixes: list[Address] = Field(min_length=1, max_length=100)
    shared: bool = False


class _New(Strict):
    subnetpool: SubnetPoolWish


class _Change(Strict):
    subnetpool: SubnetPoolChange


LISTING = Listing(
    id=SubnetPool.id,
    columns={
        name: getattr(SubnetPool, name)
        for name in (
            *("id", "name", "project_id", "description", "created_at", "updated_at"),
            *("ip_version", "shared", "is_default", "default_quota", *LENGTHS),
        )
    },
    parsers={
        **dict.fromkeys(("ip_version", "default_quota", *LENGTHS), number),
        **dict.fromkeys(("shared", "is_default"), boolean),
    },
    default_sort=(SortKey("id"),),
)


def visible(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: own pools and those for all."""
    return own_or(caller, SubnetPool.project_id, SubnetPool.shared.is_(True))


def views(call: Call, rows: Sequence[SubnetPool]) -> list[dict[str, Any]]:
    """Pools in their wire form."""
    tags = tags_of(call.session, [row.id for row in rows])
    names = ("ip_version", "prefixes", *LENGTHS, "default_quota", "shared", "is_default")
    return [
        row.standard_wire()
        | {name: getattr(row, name) for name in names}
        | {"address_scope_id": None, "tags": tags.get(row.id, [])}
        for row in rows
    ]


def list_subnet_pools(call: Call) -> dict[str, Any]:
    """Pools that the caller may see."""
    statement = select(SubnetPool).where(visible(call.caller))
    return listed(call, "subnetpools", LISTING, statement, views)


def show_subnet_pool(call: Call, subnetpool_id: str) -> dict[str, Any]:
    """One pool."""
    row = find(call.session, SubnetPool, subnetpool_id, visible(call.caller))
    return {"subnetpool": one(call, views, row)}


def create_subnet_pool(call: Call, body: _New) -> dict[str, Any]:
    """Make a pool."""
    wish = body.subnetpool
    project_id = owner(call, wish, "create_subnetpool")
    for name in ("shared", "is_default"):
        if getattr(wish, name):
            call.enforce(f"create_subnetpool:{name}", {"project_id": project_id})
    version, prefixes = prefixes_of(wish.prefixes)
    lengths = lengths_of(version, wish.min_prefixlen, wish.default_prefixlen, wish.max_prefixlen)
    hold(call.session, project_id, "network")
    room = [Limit("subnetpool", used(call.session, SubnetPool, project_id))]
    require_room(call.session, project_id, "network", DEFAULTS, room)
    if wish.is_default:
        _require_only_default(call.session, version)
    pool = SubnetPool(
        id=new_id(),
        created_at=call.now,
        updated_at=call.now,
        revision_number=1,
        project_id=project_id,
        name=wish.name,
        description=wish.description,
        ip_version=version,
        prefixes=prefixes,
        min_prefixlen=lengths.shortest,
        default_prefixlen=lengths.usual,
        max_prefixlen=lengths.longest,
        default_quota=wish.default_quota,
        shared=wish.shared,
        is_default=wish.is_default,
    )
    call.session.add(pool)
    call.session.flush()
    call.audit("create", "subnetpool", pool.id)
    return {"subnetpool": views(call, [pool])[0]}


def _require_only_default(session: Session, version: int) -> None:
    lock(session, "default subnet pool", str(version))
    if _default(session, version) is not None:
        raise BadRequest(
            f"Invalid input for operation: A default subnetpool for IP version {version} exists "
            "already; let that be no default first."
        )


def _default(session: Session, version: int) -> SubnetPool | None:
    return session.scalars(
        select(SubnetPool).where(SubnetPool.is_default.is_(True), SubnetPool.ip_version == version)
    ).first()


def update_subnet_pool(call: Call, subnetpool_id: str, body: _Change) -> dict[str, Any]:
    """Change a pool; its prefixes may grow, and what was cut from it stays."""
    lock(call.session, "subnet pool", subnetpool_id)
    pool = find(call.session, SubnetPool, subnetpool_id, visible(call.caller))
    call.enforce("update_subnetpool", {"project_id": pool.project_id})
    wish = body.subnetpool
    said = wish.said("name", "description", "default_quota", "is_default")
    if said.get("is_default", pool.is_default) != pool.is_default:
        call.enforce("update_subnetpool:is_default", {"project_id": pool.project_id})
        if said["is_default"]:
            _require_only_default(call.session, pool.ip_version)
    if wish.prefixes is not None:
        said["prefixes"] = _grown(pool, wish.prefixes)
    told = {name: getattr(wish, name) for name in LENGTHS if getattr(wish, name) is not None}
    lengths = {name: told.get(name, getattr(pool, name)) for name in LENGTHS}
    lengths_of(pool.ip_version, *(lengths[name] for name in LENGTHS))
    if pool.apply(said | lengths):
        pool.touch(call.now)
    call.session.flush()
    call.audit("update", "subnetpool", pool.id)
    return {"subnetpool": views(call, [pool])[0]}


def _grown(pool: SubnetPool, wished: Sequence[str]) -> list[str]:
    version, prefixes = prefixes_of(wished)
    if version != pool.ip_version or not covers(prefixes, pool.prefixes):
        raise BadRequest(
            f"Illegal subnetpool update: prefixes of pool {pool.id} can be added to, not taken "
            "away.",
            kind="IllegalSubnetPoolPrefixUpdate",
        )
    return prefixes


def delete_subnet_pool(call: Call, subnetpool_id: str) -> None:
    """Remove a pool from which no subnet was cut."""
    lock(call.session, "subnet pool", subnetpool_id)
    pool = find(call.session, SubnetPool, subnetpool_id, visible(call.caller))
    call.enforce("delete_subnetpool", {"project_id": pool.project_id})
    if _cut(call.session, pool):
        raise BadRequest(
            f"Unable to delete subnet pool: Subnet pool {pool.id} has existing allocations.",
            kind="SubnetPoolDeleteError",
        )
    forget_tags(call.session, pool.id)
    call.session.delete(pool)
    call.audit("delete", "subnetpool", subnetpool_id)


def _cut(session: Session, pool: SubnetPool, project_id: str | None = None) -> list[str]:
    """The ranges that subnets have of a pool, those of one project when it is named."""
    statement = select(Subnet.cidr).where(
        Subnet.subnetpool_id == pool.id, Subnet.removed.is_(False)
    )
    if project_id is not None:
        statement = statement.where(Subnet.project_id == project_id)
    return list(session.scalars(statement))


def pool_for(call: Call, pool_id: str | None, version: int) -> SubnetPool:
    """The pool that a new subnet is cut from, locked; None is the default one.

    Raises:
        BadRequest: There is no default pool, or the pool is of the other IP version.
        NotFound: None with this id that the caller may see.
    """
    if pool_id is None:
        default = _default(call.session, version)
        if default is None:
            raise BadRequest(
                f"Invalid input for operation: No default subnetpool exists for IPv{version}."
            )
        pool_id, pool = default.id, default
    else:
        pool = find(call.session, SubnetPool, pool_id, visible(call.caller))
    if pool.ip_version != version:
        raise BadRequest(
            f"Invalid input for operation: subnet pool {pool_id} is of IPv{pool.ip_version}, the "
            f"subnet of IPv{version}."
        )
    lock(call.session, "subnet pool", pool_id)
    return pool


def cut(
    session: Session,
    pool: SubnetPool,
    project_id: str,
    cidr: IPNetwork | None,
    prefixlen: Whole | None,
) -> IPNetwork:
    """A range of a locked pool for a project's new subnet: the one asked for, or a free one.

    Raises:
        BadRequest, Conflict: It cannot be had.
        QuotaExceeded: The project has too much of the pool.
    """
    taken = _cut(session, pool)
    if cidr is not None:
        found = asked_range(pool.prefixes, taken, pool.lengths, cidr)
    else:
        found = chosen_range(pool.prefixes, taken, pool.lengths, prefixlen)
    if pool.default_quota is not None:
        theirs = [*_cut(session, pool, project_id), str(found)]
        if quota_units(pool.ip_version, theirs) > pool.default_quota:
            raise QuotaExceeded(f"Per-project quota of subnet pool {pool.id} exceeded.")
    return found


def routes(table: Routes) -> None:
    """Add the routes of subnet pools."""
    one_ = "/subnetpools/{subnetpool_id}"
    table.add("GET", "/subnetpools", list_subnet_pools, policy="get_subnetpool")
    table.add("POST", "/subnetpools", create_subnet_pool, policy="create_subnetpool", status=201)
    table.add("GET", one_, show_subnet_pool, policy="get_subnetpool")
    table.add("PUT", one_, update_subnet_pool, policy="update_subnetpool")
    table.add("DELETE", one_, delete_subnet_pool, policy="delete_subnetpool", status=204)
