"""How identity answers look: collections with links, one row by id, every GET also as HEAD."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import urlencode

from sqlalchemy import Select
from sqlalchemy.orm import Session

from freehold.errors import NotFound
from freehold.http import Call, Listing, Routes
from freehold.identity.version import VERSION
from freehold.store import Base, lock_row

Row = TypeVar("Row", bound=Base)

MAXIMUM_ROWS = 10_000
"""A page at most. Clients of this API do not expect pages, so the usual cloud fits into one."""


def add_read(
    routes: Routes,
    path: str,
    function: Callable[..., Any],
    *,
    policy: str | None,
    status: int = 200,
) -> None:
    """Serve a read as GET and, as keystone does everywhere, as HEAD."""
    routes.add("GET", path, function, policy=policy, status=status)
    routes.add("HEAD", path, function, policy=policy, status=status)


def link(call: Call, path: str) -> str:
    """The absolute URL of ``path`` below ``/identity/v3``."""
    return call.url(f"{VERSION.prefix}{path}")


def boolean(text: str) -> bool:
    """A filter's text as keystone reads it: only ``false`` and ``0`` are false."""
    return text.strip().lower() not in ("false", "0")


def found(row: Row | None, kind: str, row_id: str) -> Row:
    """The row, or the answer for an unknown id.

    Raises:
        NotFound: There is none.
    """
    if row is None:
        raise NotFound(f"Could not find {kind}: {row_id}.")
    return row


def load(session: Session, table: type[Row], kind: str, row_id: str) -> Row:
    """The row of ``table`` with this primary key, or NotFound."""
    return found(session.get(table, row_id), kind, row_id)


def load_alone(session: Session, table: type[Row], kind: str, row_id: str) -> Row:
    """As ``load``, for who is about to change the row: nobody else does until this is through.

    An update merges what a client told into the attributes and options that are kept, so the old
    ones have to be those of now.
    """
    row = load(session, table, kind, row_id)
    lock_row(session, row)
    return row


def collection(call: Call, key: str, items: Iterable[Any]) -> dict[str, Any]:
    """A whole collection in the API's form."""
    return {key: list(items), "links": {"self": _here(call), "previous": None, "next": None}}


def page(
    call: Call,
    listing: Listing,
    statement: Select[Any],
    key: str,
    wire: Callable[[Call, Any], dict[str, Any]],
) -> dict[str, Any]:
    """One page of a list: filters from the query, ``limit`` and ``marker``, a next link if cut."""
    wanted = {name: call.many(name) for name in listing.columns}
    rows = listing.page(
        call.session,
        listing.filtered(statement, wanted),
        sort=listing.sort_keys(call.many("sort_key"), call.many("sort_dir")),
        limit=listing.limit(call.params.get("limit")),
        marker=call.params.get("marker"),
    )
    body = collection(call, key, (wire(call, row) for row in rows.rows))
    if rows.more:
        kept = [(k, v) for k, v in call.request.query_params.multi_items() if k != "marker"]
        query = urlencode([*kept, ("marker", rows.rows[-1].id)])
        body["links"]["next"] = f"{call.url(call.request.url.path)}?{query}"
        body["truncated"] = True
    return body


def _here(call: Call) -> str:
    query = call.request.url.query
    return call.url(call.request.url.path) + (f"?{query}" if query else "")
