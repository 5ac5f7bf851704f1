"""The ASGI application around all route tables: request ids, error edges, body limit.

This is the one edge where an unknown exception is caught: it is logged with the request id and
becomes a 500 in the API's own form; the text of the exception stays in the log.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from freehold import errors
from freehold.http.faults import fault

log = logging.getLogger(__name__)
STREAMED = ("/image/v2/images/",)


class Edge:
    """Gives each request an id, says it in the answer, and bounds the body.

    Image data is streamed and bounded by its own room.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req-{uuid.uuid4()}"
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["version_headers"] = {}
        started = False

        async def identified(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                names = [b"x-openstack-request-id"]
                if scope["path"].startswith("/compute"):
                    names.append(b"x-compute-request-id")
                message["headers"].extend((name, request_id.encode()) for name in names)
            await send(message)

        path = scope["path"]
        streamed = path.startswith(STREAMED) and path.endswith("/file")
        limit = None if streamed else self.max_body_bytes
        try:
            if scope["method"] == "DELETE" and path.endswith("/"):
                raise errors.NotFound("The path names nothing to delete behind its last slash.")
            await self.app(scope, _bounded(receive, limit), identified)
        except errors.FreeholdError as error:
            if started:
                raise
            await fault(error, path, request_id)(scope, receive, identified)
        except Exception:
            log.exception("%s %s %s failed", request_id, scope["method"], path)
            if started:
                raise
            problem = errors.FreeholdError(
                f"An unexpected error stopped request {request_id}; "
                "the service's log has the details."
            )
            await fault(problem, path, request_id)(scope, receive, identified)


def _bounded(receive: Receive, limit: int | None) -> Receive:
    if limit is None:
        return receive
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise errors.TooLarge(f"The request body is larger than {limit} bytes.")
        return message

    return counted


def prepare(app: FastAPI) -> None:
    """Make FastAPI's own errors speak each API's form."""
    app.add_exception_handler(errors.FreeholdError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _routing)


def _answer(request: Request, error: errors.FreeholdError) -> JSONResponse:
    response = fault(error, request.url.path, request.state.request_id)
    response.headers.update(request.state.version_headers)
    return response


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.FreeholdError)
    return _answer(request, error)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(request, errors.BadRequest(explain(error.errors())))


def explain(problems: Sequence[dict[str, Any]]) -> str:
    """One sentence of what is wrong with a body, without repeating what was sent (it may be
    secret).
    """
    told = []
    for problem in list(problems)[:3]:
        place = [str(part) for part in problem.get("loc", ()) if part != "body"]
        told.append(f"{'.'.join(place) or 'body'}: {problem.get('msg')}")
    return f"Invalid input: {'; '.join(told)}"


def _routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, errors.FreeholdError):  # raised while the body was read
        return _answer(request, error.__cause__)
    kinds = {404: errors.NotFound, 405: errors.MethodNotAllowed, 400: errors.BadRequest}
    kind = kinds.get(error.status_code, errors.BadRequest)
    messages = {404: "The resource could not be found.", 405: "This path has no such method."}
    message = messages.get(error.status_code, "The request body is not valid JSON.")
    return _answer(request, kind(message))
