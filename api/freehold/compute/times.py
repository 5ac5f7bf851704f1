"""Times as the Compute API reads and writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from freehold.errors import BadRequest


def iso_time(moment: datetime) -> str:
    """``2026-11-21T05:02:00Z``: whole seconds, as nova shows them."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat('T', 'seconds')}Z"


def long_time(moment: datetime | None) -> str | None:
    """``2026-11-21T05:02:00.123456``: microseconds and no zone, as nova shows some."""
    return moment.replace(tzinfo=None).isoformat("T", "microseconds") if moment else None


def parse_time(name: str, text: str) -> datetime:
    """Read the ISO 8601 time of query parameter ``name``; without a zone it is UTC.

    Raises:
        BadRequest: It is none.
    """
    try:
        # A plus sign in an unquoted query string arrives as a space.
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError as error:
        raise BadRequest(
            f"Invalid filter field: {name}. {text!r} is not an ISO 8601 time."
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
