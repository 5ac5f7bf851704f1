"""The ASGI application around all endpoints: request ids, error edges, body limit.

This is the one edge where an unknown exception is caught: it is logged with the request id and
becomes a 500 in the API's own form; its story stays in the log, without values (``trace``).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from starlette.datastructures import Headers, State
from starlette.requests import ClientDisconnect
from starlette.routing import Router
from starlette.types import Message, Receive, Scope, Send

from freehold import errors
from freehold.http.dispatch import Dispatch, Endpoint
from freehold.http.documentation import OpenApiDocument, openapi
from freehold.http.faults import fault
from freehold.http.threads import Threads
from freehold.trace import trace

log = logging.getLogger(__name__)
STREAMED = ("/image/v2/images/", "/v1/images/")
KEEP_ALIVE_S = 75
"""For how long a connection waits for its next request. Longer than clients pause between looks
(``openstack … --wait`` takes 5 s): one that is closed in that moment is an error to most of them.
"""


class Lifespan(Protocol):
    """What is done while the application is served."""

    def __call__(self, app: Application) -> AbstractAsyncContextManager[None]:
        """Begin when it is entered, end when it is left."""


class Application:
    """Gives each request an id, says it in the answer, bounds the body, and finds the endpoint.

    Image data is streamed and bounded by its own room.

    Attributes:
        state: What endpoints share: the store, access, settings, threads.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        *,
        lifespan: Lifespan,
        max_body_bytes: int,
        threads: Threads,
    ) -> None:
        self.state = State()
        self.state.threads = threads
        self.endpoints = list(endpoints)
        self.max_body_bytes = max_body_bytes
        self._dispatch = Dispatch([*self.endpoints, OpenApiDocument(self.endpoints)])
        self._lifespan = Router(lifespan=lambda _router: lifespan(self))

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of all operations."""
        return openapi(self.endpoints)

    def serve(self, endpoint: Endpoint) -> None:
        """Serve one more endpoint."""
        self._dispatch.add(endpoint)
        self.endpoints.append(endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._lifespan(scope, receive, send)
            return
        request_id = f"req-{uuid.uuid4()}"
        path: str = scope["path"]
        scope["app"] = self
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["version_headers"] = {}
        started = False

        async def identified(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                names = [b"x-openstack-request-id"]
                if path.startswith("/compute"):
                    names.append(b"x-compute-request-id")
                message["headers"].extend((name, request_id.encode()) for name in names)
            await send(message)

        async def refuse(error: errors.FreeholdError) -> None:
            answer = fault(error, path, request_id)
            answer.headers.update(state["version_headers"])
            await answer(scope, receive, identified)

        try:
            await self._dispatch(scope, self._bounded(scope, receive), identified)
        except errors.FreeholdError as error:
            if started:
                raise error from None  # its cause may quote what was sent
            await refuse(error)
        except ClientDisconnect:
            log.info("%s %s %s: the client went away", request_id, scope["method"], path)
        except Exception as error:  # noqa: BLE001 - the edge: recorded and re-labelled
            log.error("%s %s %s failed\n%s", request_id, scope["method"], path, trace(error))
            unforeseen = errors.FreeholdError(
                f"An unexpected error stopped request {request_id}; "
                "the service's log has the details."
            )
            if started:
                raise unforeseen from None  # what serves us would log the error with its values
            await refuse(unforeseen)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Refuse (TooLarge) a body over the limit, by its announced length or as it comes.

        The refusal comes when an endpoint reads the body: those that take none never look.
        """
        path, limit = scope["path"], self.max_body_bytes
        if path.startswith(STREAMED) and path.endswith("/file"):
            return receive
        announced = Headers(scope=scope).get("content-length", "0")
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            if len(announced) > 18 or (announced.isdigit() and int(announced) > limit):
                raise errors.TooLarge(f"The request body is larger than {limit} bytes.")
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise errors.TooLarge(f"The request body is larger than {limit} bytes.")
            return message

        return counted
