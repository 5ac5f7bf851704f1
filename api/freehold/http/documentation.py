"""The OpenAPI document of all operations, written by FastAPI from their functions' signatures.

FastAPI serves nothing here: it is loaded when somebody asks for the document.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from freehold.http.dispatch import Endpoint
from freehold.http.operation import Operation
from freehold.http.threads import Threads


class OpenApiDocument:
    """Serves the document of all operations to anybody; written when it is first asked for."""

    method = "GET"
    path = "/openapi.json"

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._endpoints = endpoints
        self._content = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        threads: Threads = scope["app"].state.threads
        content = self._content = self._content or await threads.run(self._written)
        await Response(content, media_type="application/json")(scope, receive, send)

    def _written(self) -> bytes:
        return to_json(openapi(self._endpoints))


def openapi(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The document of those endpoints that are operations."""
    from fastapi import FastAPI

    described = FastAPI(title="Freehold", version=metadata.version("freehold"))
    for operation in endpoints:
        if not isinstance(operation, Operation):
            continue
        function, method = operation.function, operation.method
        described.add_api_route(
            operation.path,
            _described(function),
            methods=[method],
            status_code=operation.status,
            response_model=None,
            tags=[operation.version.service_type],
            operation_id=re.sub(r"\W+", "_", f"{method.lower()}{operation.path}"),
            summary=(inspect.getdoc(function) or function.__name__).split("\n")[0],
        )
    return described.openapi()


def _described(function: Callable[..., Any]) -> Callable[..., None]:
    """A function with the parameters that come from the request, as FastAPI reads them."""
    from fastapi import Body, Path

    signature = inspect.signature(function, eval_str=True)
    parameters = [
        parameter.replace(
            default=Body() if parameter.name == "body" else Path(),
            kind=inspect.Parameter.KEYWORD_ONLY,
        )
        for parameter in signature.parameters.values()
        if parameter.name != "call"
    ]

    def described() -> None:
        """Never called."""

    described.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return described
