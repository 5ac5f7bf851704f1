"""The OpenAPI document of all operations, written by FastAPI from their functions' signatures.

FastAPI serves nothing here: it is loaded when somebody asks for the document. What holds for every
operation of an API is added: its token, policy rule, microversion header, and its faults' form.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any

from pydantic_core import to_json
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from freehold.http.dispatch import Endpoint
from freehold.http.faults import COMPUTE_NAMES, api_of
from freehold.http.operation import Answer, Operation
from freehold.http.threads import Threads

TOKEN = {
    "type": "apiKey",
    "in": "header",
    "name": "X-Auth-Token",
    "description": "From POST /identity/v3/auth/tokens, header X-Subject-Token.",
}
MICROVERSION = {
    "name": "OpenStack-API-Version",
    "in": "header",
    "description": "The microversion to answer in, such as `compute 2.96`; the first without it.",
    "schema": {"type": "string"},
}
DESCRIPTION = (
    "The OpenStack APIs (Identity v3, Image v2, Networking v2.0, Compute v2.1) and `/v1` for what "
    "OpenStack has no word for. A read is in one snapshot, a change in one transaction."
)


def _object(required: bool = True, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"required": list(properties)} if required else {"minProperties": 1}),
    }


_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
_NOVA = _object(code=_NUMBER, message=_TEXT)
FAULTS: dict[str, dict[str, Any]] = {
    "identity": _object(error=_object(code=_NUMBER, message=_TEXT, title=_TEXT)),
    "compute": _object(False, **dict.fromkeys(sorted(set(COMPUTE_NAMES.values())), _NOVA)),
    "network": _object(NeutronError=_object(type=_TEXT, message=_TEXT, detail=_TEXT)),
    "image": _object(message=_TEXT, code=_TEXT, title=_TEXT),
    "v1": _object(
        error=_object(
            code=_TEXT,
            message=_TEXT,
            retry={"enum": ["never", "later", "when_changed"]},
            request_id=_TEXT,
        )
    ),
}
"""What ``http.faults`` renders for each API, as JSON Schema."""


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

    described = FastAPI(
        title="Freehold", version=metadata.version("freehold"), description=DESCRIPTION
    )
    operations = [endpoint for endpoint in endpoints if isinstance(endpoint, Operation)]
    for operation in operations:
        function, method = operation.function, operation.method
        described.add_api_route(
            operation.path,
            _described(function),
            methods=[method],
            status_code=operation.status,
            response_model=None,
            response_class=_form(operation.answer),
            responses={code: {"description": "Done."} for code in operation.answer.get("also", ())},
            response_description="Done.",
            tags=[operation.version.service_type],
            operation_id=re.sub(r"\W+", "_", f"{method.lower()}{operation.path}"),
            summary=(inspect.getdoc(function) or function.__name__).split("\n")[0],
        )
    document = described.openapi()
    for operation in operations:
        path = re.sub(r":\w+\}", "}", operation.path)
        _complete(document["paths"][path][operation.method.lower()], operation)
    _add_components(document.setdefault("components", {}))
    return document


def _form(answer: Answer) -> type[Response]:
    """A response class that has the media type; it is never called."""
    if answer.get("empty"):
        return Response
    if "media_type" in answer:
        return type("Told", (Response,), {"media_type": answer["media_type"]})
    return JSONResponse


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


def _complete(told: dict[str, Any], operation: Operation) -> None:
    """Say of one operation what FastAPI cannot know."""
    told["security"] = [] if operation.policy is None else [{"token": []}]
    if operation.policy is not None:
        told["x-policy"] = operation.policy
    if operation.version.minimum is not None:
        told.setdefault("parameters", []).append({"$ref": "#/components/parameters/Microversion"})
    if request := operation.answer.get("request"):
        content = {media_type: {"schema": schema} for media_type, schema in request.items()}
        told["requestBody"] = {"required": True, "content": content}
    responses = told["responses"]
    responses.pop("422", None)
    for response in responses.values():
        for media_type, said in response.get("content", {}).items():
            if media_type != "application/json":
                said.clear()  # FastAPI calls everything else a string
    for kind in ("4XX", "5XX"):
        responses[kind] = {"$ref": f"#/components/responses/{api_of(operation.path)}-fault"}


def _add_components(components: dict[str, Any]) -> None:
    components["securitySchemes"] = {"token": TOKEN}
    components["parameters"] = {"Microversion": MICROVERSION}
    components["responses"] = {
        f"{api}-fault": {
            "description": "What is wrong, in this API's own form.",
            "content": {"application/json": {"schema": schema}},
        }
        for api, schema in FAULTS.items()
    }
    for name in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(name, None)
