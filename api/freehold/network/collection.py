"""Lists as the Networking API makes them: filters, fields, sorting, paging in both directions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Select

from freehold.errors import BadRequest
from freehold.http import Call, Listing
from freehold.network.tag import FILTERS, tag_filter

STEERING = frozenset({"limit", "marker", "page_reverse", "sort_key", "sort_dir", "fields"})
Views = Callable[[Call, Sequence[Any]], list[dict[str, Any]]]
"""From rows to their wire forms, all at once, so that what they refer to is read in one query."""


def boolean(text: str) -> bool:
    """Read a filter's boolean as neutron does.

    Raises:
        BadRequest: Neither true nor false.
    """
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in known:
        raise BadRequest(f"'{text[:32]}' cannot be converted to boolean")
    return known[text.lower()]


def number(text: str) -> int:
    """Read a filter's number; what is none matches nothing."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def listed(
    call: Call,
    plural: str,
    listing: Listing,
    statement: Select[Any],
    views: Views,
    *,
    secret: Collection[str] = (),
) -> dict[str, Any]:
    """Answer a list request.

    Args:
        plural: The body's key, such as ``networks``; also the path.
        statement: Rows that the caller may see.
        secret: Names that this caller must not filter or sort by, as they are not shown to them.

    ``status`` is computed and no column; it filters the page that was read.
    """
    asked = _filters(call, secret)
    for name in FILTERS:
        if name in asked:
            statement = statement.where(tag_filter(listing.id, name, asked.pop(name)))
    limit = listing.limit(call.params.get("limit"))
    reverse = boolean(call.params.get("page_reverse", "false"))
    keys = [_column(key) for key in call.many("sort_key")]
    if hidden := set(keys) & set(secret):
        raise BadRequest(f"cannot sort by {sorted(hidden)[0]!r}")
    page = listing.page(
        call.session,
        listing.filtered(statement, asked),
        sort=listing.sort_keys(keys, call.many("sort_dir")),
        limit=limit,
        marker=call.params.get("marker"),
        reverse=reverse,
    )
    shown = views(call, page.rows)
    if "status" in asked:
        shown = [entry for entry in shown if entry.get("status") in asked["status"]]
    body: dict[str, Any] = {plural: chosen(call, shown)}
    if limit and page.rows:
        body[f"{plural}_links"] = _links(call, plural, page.rows, page.more, reverse)
    return body


def _filters(call: Call, secret: Collection[str]) -> dict[str, list[str]]:
    asked = {}
    for name in call.params:
        if name in STEERING or name in secret:
            continue
        values = call.many(name)
        if any("\0" in value for value in values):
            raise BadRequest(f"The filter {name!r} has a NUL character.")
        asked[_column(name)] = values
    return asked


def chosen(call: Call, shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Only the ``fields`` that the request names, all when it names none."""
    fields = [name for text in call.many("fields") for name in text.split(",") if name]
    if not fields:
        return shown
    return [{name: entry[name] for name in fields if name in entry} for entry in shown]


def one(call: Call, views: Views, row: Any) -> dict[str, Any]:
    """One row's wire form with the ``fields`` that the request names."""
    return chosen(call, views(call, [row]))[0]


def _column(name: str) -> str:
    return "project_id" if name == "tenant_id" else name


def _links(
    call: Call, plural: str, rows: Sequence[Any], more: bool, reverse: bool
) -> list[dict[str, str]]:
    kept = [
        (name, value)
        for name, value in call.request.query_params.multi_items()
        if name not in ("marker", "page_reverse")
    ]
    path = f"/network/v2.0/{plural.replace('_', '-')}"

    def link(rel: str, marker: str, *extra: tuple[str, str]) -> dict[str, str]:
        query = urlencode([*kept, ("marker", marker), *extra])
        return {"rel": rel, "href": call.url(f"{path}?{query}")}

    links = []
    if more or reverse:
        links.append(link("next", rows[-1].id))
    if call.params.get("marker") and (more or not reverse):
        links.append(link("previous", rows[0].id, ("page_reverse", "True")))
    return links
