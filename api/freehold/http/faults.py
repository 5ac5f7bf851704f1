"""From an error to an answer, in the form of the API that was asked.

One table maps each class of the error tree to a status; QuotaExceeded alone differs by API. A test
proves
that every class is in the table.

Forms: Identity ``{"error": …}`` (API reference, "Faults"), Compute and Block Storage
``{"itemNotFound": …}``, Networking ``{"NeutronError": …}``, Image ``{"message", "code", "title"}``
as glance renders for JSON clients, and ``/v1`` ``{"error": {"code", "message", "retry"}}``.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from freehold import errors
from freehold.errors import FreeholdError

STATUS: dict[type[FreeholdError], int] = {
    errors.FreeholdError: 500,
    errors.BadRequest: 400,
    errors.NotAuthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.NotAcceptable: 406,
    errors.Conflict: 409,
    errors.QuotaExceeded: 403,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.RangeNotSatisfiable: 416,
    errors.NotSupported: 501,
    errors.Unavailable: 503,
    errors.NoValidHost: 409,
    errors.LeaseLost: 409,
}
QUOTA_STATUS = {"network": 409, "image": 413, "volume": 413}
COMPUTE_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    406: "notAcceptable",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    500: "computeFault",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def api_of(path: str) -> str:
    """The API that a path belongs to: its first segment, ``""`` for the root."""
    return path.lstrip("/").split("/", 1)[0]


def status_of(error: FreeholdError, api: str) -> int:
    """The HTTP status of an error when ``api`` answers."""
    if isinstance(error, errors.QuotaExceeded):
        return QUOTA_STATUS.get(api, 403)
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def fault(error: FreeholdError, path: str, request_id: str) -> JSONResponse:
    """Render an error as the API behind ``path`` would."""
    api = api_of(path)
    status = status_of(error, api)
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Keystone uri="/identity"'
    if isinstance(error, errors.MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.size_bytes}"
    body = _body(error, api, status, request_id)
    return JSONResponse(body, status, headers)


def _body(error: FreeholdError, api: str, status: int, request_id: str) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    match api:
        case "identity":
            return {"error": {"code": status, "message": error.message, "title": title}}
        case "compute" | "volume":
            name = COMPUTE_NAMES.get(status, "computeFault")
            return {name: {"code": status, "message": error.message}}
        case "network":
            return {"NeutronError": {"type": error.kind, "message": error.message, "detail": ""}}
        case "image":
            return {"message": error.message, "code": f"{status} {title}", "title": title}
        case _:
            return {
                "error": {
                    "code": error.code,
                    "message": error.message,
                    "retry": str(error.retry),
                    "request_id": request_id,
                }
            }
