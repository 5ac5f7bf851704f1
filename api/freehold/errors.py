"""The one tree of errors. Every room raises these; only ``http`` knows what status they become.

A message says what failed, on what, and what to do next: it is read by a person. ``code`` is stable
and made for programs; ``retry`` tells a caller (or a worker) whether trying again can help.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar


class Retry(StrEnum):
    """Whether the same thing can work later."""

    NEVER = "never"
    LATER = "later"
    WHEN_CHANGED = "when_changed"


class FreeholdError(Exception):
    """Root of all errors that Freehold raises on purpose.

    Args:
        message: What failed, on what, what to do next.
        kind: The API's own name for the error where it has one (the Networking API's ``type``,
            such as ``SubnetInUse``); defaults to the class's ``kind``.
    """

    code: ClassVar[str] = "INTERNAL"
    kind: str = "InternalError"
    retry: ClassVar[Retry] = Retry.NEVER

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if kind is not None:
            self.kind = kind


class BadRequest(FreeholdError):
    """The request can never work as it is."""

    code = "BAD_REQUEST"
    kind = "InvalidInput"
    retry = Retry.WHEN_CHANGED


class NotAuthenticated(FreeholdError):
    """No token, or one that is wrong, expired or revoked."""

    code = "NOT_AUTHENTICATED"
    kind = "Unauthorized"
    retry = Retry.WHEN_CHANGED


class Forbidden(FreeholdError):
    """The caller may not do this."""

    code = "FORBIDDEN"
    kind = "PolicyNotAuthorized"


class NotFound(FreeholdError):
    """There is no such thing that the caller may see (another tenant's thing gives the same
    answer).
    """

    code = "NOT_FOUND"
    kind = "NotFound"


class MethodNotAllowed(FreeholdError):
    """The path exists, the verb does not; ``allowed`` are those that it has."""

    code = "METHOD_NOT_ALLOWED"
    kind = "MethodNotAllowed"

    def __init__(self, message: str, *, allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.allowed = allowed


class NotAcceptable(FreeholdError):
    """A microversion or media type that this service does not speak."""

    code = "NOT_ACCEPTABLE"
    kind = "NotAcceptable"


class Conflict(FreeholdError):
    """The state of things forbids it now."""

    code = "CONFLICT"
    kind = "Conflict"
    retry = Retry.WHEN_CHANGED


class QuotaExceeded(FreeholdError):
    """The quota would be exceeded. Compute says 403, network 409, image and volume 413."""

    code = "QUOTA_EXCEEDED"
    kind = "OverQuota"
    retry = Retry.WHEN_CHANGED


class TooLarge(FreeholdError):
    """The body is larger than this service takes."""

    code = "TOO_LARGE"
    kind = "RequestEntityTooLarge"


class RangeNotSatisfiable(FreeholdError):
    """Bytes that a file of ``size_bytes`` does not have."""

    code = "RANGE_NOT_SATISFIABLE"
    kind = "RangeNotSatisfiable"

    def __init__(self, message: str, *, size_bytes: int) -> None:
        super().__init__(message)
        self.size_bytes = size_bytes


class UnsupportedMediaType(FreeholdError):
    """The body is of a kind that this path does not read."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    kind = "UnsupportedMediaType"


class NotSupported(FreeholdError):
    """The API knows it, this cloud does not do it (yet)."""

    code = "NOT_SUPPORTED"
    kind = "NotImplemented"


class Unavailable(FreeholdError):
    """Something this needs does not answer now."""

    code = "UNAVAILABLE"
    kind = "ServiceUnavailable"
    retry = Retry.LATER


class NoValidHost(FreeholdError):
    """Placement found no host; the message counts what each filter removed."""

    code = "NO_VALID_HOST"
    kind = "NoValidHost"
    retry = Retry.WHEN_CHANGED


class LeaseLost(FreeholdError):
    """A worker came back after its lease was given to another; what it brings is not written."""

    code = "LEASE_LOST"
    kind = "LeaseLost"
    retry = Retry.LATER
