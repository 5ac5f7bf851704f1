"""``GET /v2/images``: what a caller sees in lists, filters, sorting, paging.

Filters are those of the API reference; a parameter of an unknown name filters by a free property.
"""

from __future__ import annotations

import csv
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import lazyload

from freehold.access import Caller, Rule
from freehold.errors import BadRequest
from freehold.http import Call, Listing, Page, Routes, SortKey
from freehold.image.image import (
    ACCEPTED,
    COMMUNITY,
    PENDING,
    PRIVATE,
    PUBLIC,
    QUEUED,
    REJECTED,
    SAVING,
    SHARED,
    Image,
    owned_by,
    shared_with,
    visible_to,
)
from freehold.image.image_wire import wires

RULES = [Rule("get_images", "rule:admin_or_reader", "GET /v2/images")]
DEFAULT_LIMIT = 25
ALL = "all"
MAX_NUMBER = 2**63 - 1
STEERING = frozenset(
    {"limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "member_status", "tag"}
)
LISTING = Listing(
    id=Image.id,
    columns={
        "name": Image.name,
        "status": Image.status,
        "container_format": Image.container_format,
        "disk_format": Image.disk_format,
        "size": Image.size,
        "id": Image.id,
        "created_at": Image.created_at,
        "updated_at": Image.updated_at,
    },
    default_sort=(SortKey("created_at", descending=True),),
)
TEXTS = {
    "id": Image.id,
    "name": Image.name,
    "container_format": Image.container_format,
    "disk_format": Image.disk_format,
}
EXACT = {
    "owner": Image.owner,
    "checksum": Image.checksum,
    "os_hash_algo": Image.os_hash_algo,
    "os_hash_value": Image.os_hash_value,
}
NUMBERS = {
    "size": Image.size,
    "virtual_size": Image.virtual_size,
    "min_disk": Image.min_disk,
    "min_ram": Image.min_ram,
}
BOOLEANS = {"protected": Image.protected, "os_hidden": Image.os_hidden}
TIMES = {"created_at": Image.created_at, "updated_at": Image.updated_at}
SECOND = timedelta(seconds=1)
COMPARISONS: Mapping[str, Callable[[Any, datetime], ColumnElement[bool]]] = {
    "eq": lambda column, second: and_(column >= second, column < second + SECOND),
    "neq": lambda column, second: or_(column < second, column >= second + SECOND),
    "gt": lambda column, second: column >= second + SECOND,
    "gte": lambda column, second: column >= second,
    "lt": lambda column, second: column < second,
    "lte": lambda column, second: column < second + SECOND,
}
"""Times are shown in whole seconds, so they are compared so."""


def list_images(call: Call) -> dict[str, Any]:
    """The caller's images and the ones they were given, newest first."""
    limit = LISTING.limit(call.params.get("limit"))
    sort = _sort_keys(call)
    conditions = _conditions(call, call.params, call.many("tag"))
    if limit == 0:
        return _collection(call, [], None)
    page = LISTING.page(
        call.session,
        select(Image)
        .where(*conditions)
        .options(lazyload(Image.tag_rows), lazyload(Image.property_rows)),
        sort=sort,
        limit=limit or DEFAULT_LIMIT,
        marker=call.params.get("marker"),
    )
    return _collection(call, page.rows, page.rows[-1].id if page.more else None)


def find_images(
    call: Call, asked: Mapping[str, str], *, limit: str | None, marker: str | None
) -> Page[Image]:
    """One page of the caller's list, newest first, for another API's form of it, without tags.

    Args:
        asked: Filters, as this API's query parameters name them.
        limit, marker: As the request has them.
    """
    call.enforce("get_images")
    shown = select(Image).where(*_conditions(call, asked)).options(lazyload(Image.tag_rows))
    return LISTING.page(call.session, shown, limit=LISTING.limit(limit), marker=marker)


def _collection(call: Call, images: Sequence[Image], next_marker: str | None) -> dict[str, Any]:
    asked = [
        (name, value) for name, value in call.request.query_params.multi_items() if name != "marker"
    ]
    body: dict[str, Any] = {
        "images": wires(call.session, images, call.now),
        "schema": "/v2/schemas/images",
        "first": _link(asked),
    }
    if next_marker is not None:
        body["next"] = _link([*asked, ("marker", next_marker)])
    return body


def _link(query: Sequence[tuple[str, str]]) -> str:
    return f"/v2/images?{urlencode(query)}" if query else "/v2/images"


def _listed(caller: Caller, asked: Mapping[str, str]) -> ColumnElement[bool]:
    """SQL condition: what belongs into this caller's list with this ``visibility``."""
    visibility, member_status = asked.get("visibility"), asked.get("member_status", ACCEPTED)
    if member_status not in (PENDING, ACCEPTED, REJECTED, ALL):
        raise BadRequest(f"Invalid status: {member_status}")
    shared = shared_with(caller, None if member_status == ALL else member_status)
    own = owned_by(caller)
    if visibility is None:
        others = Image.visibility != COMMUNITY
        if not caller.is_admin:
            others = or_(Image.visibility == PUBLIC, shared)
        return or_(own, others)
    if visibility == ALL:
        if caller.is_admin:
            return visible_to(caller)
        return or_(own, Image.visibility.in_((PUBLIC, COMMUNITY)), shared)
    if visibility not in (PUBLIC, COMMUNITY, SHARED, PRIVATE):
        raise BadRequest(f"Invalid visibility value: {visibility}")
    if visibility in (PUBLIC, COMMUNITY) or caller.is_admin:
        return Image.visibility == visibility
    return and_(Image.visibility == visibility, or_(own, shared))


def _conditions(
    call: Call, asked: Mapping[str, str], tags: Sequence[str] = ()
) -> list[ColumnElement[bool]]:
    conditions = [_listed(call.caller, asked)]
    conditions += [Image.tag_rows.any(tag=tag.strip()) for tag in tags]
    for name, text in {"os_hidden": "false", **asked}.items():
        if name not in STEERING:
            conditions.append(_filter(name, text, call.now))
    return conditions


def _filter(name: str, text: str, now: datetime) -> ColumnElement[bool]:
    stem, _, bound = name.rpartition("_")
    if name == "status":
        return or_(*(_has_status(status, now) for status in _values(name, text)))
    if name in TEXTS:
        return TEXTS[name].in_(_values(name, text))
    if name in EXACT:
        return EXACT[name] == text
    if name in BOOLEANS:
        return BOOLEANS[name].is_(_boolean(name, text))
    if name in NUMBERS:
        return NUMBERS[name] == _number(name, text)
    if stem in NUMBERS and bound in ("min", "max"):
        compare = operator.ge if bound == "min" else operator.le
        condition: ColumnElement[bool] = compare(NUMBERS[stem], _number(name, text))
        return condition
    if name in TIMES:
        return _compared(name, text)
    return Image.property_rows.any(name=name, value=text)


def _has_status(status: str, now: datetime) -> ColumnElement[bool]:
    """SQL of ``Image.shown_status``: a silent upload leaves the image queued."""
    if status not in (QUEUED, SAVING):
        return Image.status == status
    silent = or_(Image.upload_until.is_(None), Image.upload_until <= now)
    saving = Image.status == SAVING
    if status == SAVING:
        return and_(saving, Image.upload_until > now)
    return or_(Image.status == QUEUED, and_(saving, silent))


def _values(name: str, text: str) -> list[str]:
    """One value, or several as ``in:a,"b,c"``."""
    word, colon, rest = text.partition(":")
    if colon and word == "in":
        try:
            (values,) = csv.reader([rest], strict=True, skipinitialspace=True)
        except (csv.Error, ValueError) as error:
            raise BadRequest(f"Invalid filter value for {name}: quotes do not match.") from error
        return values
    if colon and word == "eq":
        return [rest]
    if colon and word in COMPARISONS:
        raise BadRequest(f"Unable to filter by unknown operator '{word}'.")
    return [text]


def _compared(name: str, text: str) -> ColumnElement[bool]:
    word, colon, rest = text.partition(":")
    comparison, when = (word, rest) if colon and word in COMPARISONS else ("eq", text)
    try:
        moment = datetime.fromisoformat(when.strip().replace(" ", "+"))
    except ValueError as error:
        raise BadRequest(
            f'Bad "{name}" query filter format. Use ISO 8601 DateTime notation.'
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return COMPARISONS[comparison](TIMES[name], moment.replace(microsecond=0))


def _number(name: str, text: str) -> int:
    try:
        number = int(text)
    except ValueError as error:
        raise BadRequest(f"Unable to filter {name} by {text[:32]!r}: it is no number.") from error
    if abs(number) > MAX_NUMBER:
        raise BadRequest(f"Unable to filter {name}: the number is out of range.")
    return number


def _boolean(name: str, text: str) -> bool:
    known = {"true": True, "false": False}
    if text.lower() not in known:
        raise BadRequest(f"Invalid value for '{name}' filter. Valid values are 'true' or 'false'.")
    return known[text.lower()]


def _sort_keys(call: Call) -> list[SortKey]:
    """``sort=name:asc,size``, or repeated ``sort_key`` with one ``sort_dir`` or as many."""
    if (sort := call.params.get("sort")) is not None:
        if call.many("sort_key") or call.many("sort_dir"):
            raise BadRequest("Old and new sorting syntax cannot be combined")
        pairs = [part.strip().partition(":") for part in sort.split(",")]
        return LISTING.sort_keys(
            [key.strip() for key, _, _ in pairs],
            [direction.strip() or "desc" for _, _, direction in pairs],
        )
    keys, directions = call.many("sort_key"), call.many("sort_dir") or ["desc"]
    keys = keys or ["created_at"]
    if len(directions) == 1:
        directions = directions * len(keys)
    if len(directions) != len(keys):
        raise BadRequest("Number of sort dirs does not match the number of sort keys")
    return LISTING.sort_keys([key.strip() for key in keys], directions)


def routes(table: Routes) -> None:
    """Add the list of images."""
    table.add("GET", "/images", list_images, policy="get_images")
