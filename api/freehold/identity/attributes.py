"""Bodies of identity resources: known fields are typed, any other attribute is kept as it came.

The Identity API lets a client store attributes of its own on users, projects and most other things
(API reference, "Users": extra attributes); they are data, shown again, never read by the service.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from sqlalchemy.orm import Mapped, mapped_column

from freehold.errors import BadRequest, Forbidden

MAX_EXTRA_BYTES = 16_384
COMPUTED = frozenset({"id", "links", "password_expires_at", "is_domain"})
"""Shown by the service, never stored as a client's attribute."""


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain a NUL character")
    return text


def _told(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return _without_nul(text)


Text = Annotated[str, StringConstraints(max_length=65_535), AfterValidator(_without_nul)]
Name64 = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_told)]
Name255 = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_told)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_told)]


class Wish(BaseModel):
    """The inner object of a create or update body; ``model_fields_set`` tells what was said."""

    model_config = ConfigDict(extra="allow", strict=True)

    def said(self, *names: str) -> dict[str, Any]:
        """Those of the named fields that the client sent, with their values."""
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}


class HasExtra:
    """Mixin for tables that keep a client's own attributes."""

    extra: Mapped[dict[str, Any]] = mapped_column(default=dict)


def keep_extra(row: HasExtra, wish: Wish) -> None:
    """Merge the attributes that are not fields into the row.

    Raises:
        BadRequest: They are too large together, or hold a NUL character.
    """
    told = {key: value for key, value in (wish.model_extra or {}).items() if key not in COMPUTED}
    if not told:
        return
    merged = {**(row.extra or {}), **told}
    text = json.dumps(merged)
    if len(text) > MAX_EXTRA_BYTES:
        raise BadRequest(
            f"Extra attributes take {len(text)} bytes; at most {MAX_EXTRA_BYTES} are kept."
        )
    if "\\u0000" in text:
        raise BadRequest("Extra attributes must not contain a NUL character.")
    row.extra = merged


def require_same(wish: Wish, **immutable: Any) -> None:
    """Refuse (BadRequest) a body that gives an immutable field another value than the row has."""
    for name, value in immutable.items():
        told = getattr(wish, name, None)
        if name in wish.model_fields_set and told != value:
            raise BadRequest(f"Cannot change {name}.")


def require_mutable(kind: str, row_id: str, options: Any, wish_options: Any = None) -> None:
    """Refuse (Forbidden) to change or delete what is immutable, unless that mark is lifted."""
    if not (options or {}).get("immutable"):
        return
    if wish_options is not None and wish_options.get("immutable") in (None, False):
        return
    raise Forbidden(f"Cannot change immutable {kind} {row_id}; set its option immutable to false.")


def expiry(text: str | None, now: datetime) -> datetime | None:
    """The time that a body names in ISO 8601, which is UTC unless it says otherwise.

    Raises:
        BadRequest: It is no such time, or over.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        ends = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest("expires_at is not an ISO 8601 time.") from error
    if ends <= now:
        raise BadRequest("expires_at is in the past.")
    return ends


def merged_options(
    kept: dict[str, Any] | None, wish: dict[str, Any], known: Collection[str]
) -> dict[str, Any]:
    """Resource options after an update: null removes one (API reference, "options").

    Raises:
        BadRequest: An option that does not exist.
    """
    if unknown := sorted(set(wish) - set(known)):
        raise BadRequest(f"Unknown option {unknown[0]!r}; known are {', '.join(sorted(known))}.")
    for name, value in wish.items():
        if value is not None and not isinstance(value, bool):
            raise BadRequest(f"Option {name!r} must be true, false or null.")
    both = {**(kept or {}), **wish}
    return {name: value for name, value in both.items() if value is not None}
