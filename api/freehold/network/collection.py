"""Lists as the Networking API makes them: filters, fields, sorting, paging in both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Select

from freehold.errors import BadRequest
from freehold.http import Call, Listing

STEERING = frozenset({"limit", "marker", "page_reverse", "sort_key", "sort_dir", "fields"})


def boolean(text: str) -> bool:
    """Read a filter's boolean as neutron does.

    Raises:
        BadRequest: Neither true nor false.
    """
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in known:
        raise BadRequest(f"'{text[:32]}' cannot be converted to boolean")
    return known[text.lower()]


def listed(
    call: Call,
    plural: str,
    listing: Listing,
    statement: Select[Any],
    wire: Callable[[Any], dict[str, Any]],
    *,
    computed: Mapping[str, Callable[[dict[str, Any], Sequence[str]], bool]] | None = None,
) -> dict[str, Any]:
    """Answer a list request.

    Args:
        plural: The body's key, such as ``networks``; also the path.
        statement: Rows that the caller may see.
        wire: One row's wire form.
        computed: Filters on what no column holds, as a question to the wire form.
    """
    asked = {_column(name): call.many(name) for name in call.params if name not in STEERING}
    statement = listing.filtered(statement, asked)
    limit = listing.limit(call.params.get("limit"))
    reverse = boolean(call.params.get("page_reverse", "false"))
    page = listing.page(
        call.session,
        statement,
        sort=listing.sort_keys([_column(k) for k in call.many("sort_key")], call.many("sort_dir")),
        limit=limit,
        marker=call.params.get("marker"),
        reverse=reverse,
    )
    shown = [wire(row) for row in page.rows]
    for name, matches in (computed or {}).items():
        if name in asked:
            shown = [entry for entry in shown if matches(entry, asked[name])]
    body: dict[str, Any] = {plural: [chosen(call, entry) for entry in shown]}
    if limit and page.rows:
        body[f"{plural}_links"] = _links(call, plural, page.rows, page.more, reverse)
    return body


def chosen(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    """Only the ``fields`` that the request names, all when it names none."""
    fields = [name for text in call.many("fields") for name in text.split(",") if name]
    return {name: entry[name] for name in fields if name in entry} if fields else entry


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
