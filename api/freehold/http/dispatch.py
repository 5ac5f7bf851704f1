"""From a method and a path to the endpoint behind them.

A tree by path segments, so that finding one costs the same with ten routes and with four hundred.
Segments are taken apart before they are decoded: an id with an encoded slash is one strange id,
never another path. There are no redirects: a path with a slash too many is another path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote_to_bytes

from starlette.types import Receive, Scope, Send

from freehold.errors import BadRequest, MethodNotAllowed, NotFound
from freehold.http.body import require_storable


class Endpoint(Protocol):
    """An ASGI application for one method and path; parameters come in ``scope["path_params"]``."""

    method: str
    path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""


@dataclass
class _Node:
    """What lies behind a beginning of a path.

    Attributes:
        endpoints: By method, each with the names of its parameters.
        rest: Endpoints that take all further segments as one parameter (``{name:path}``).
    """

    literals: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    rest: _Node | None = None
    endpoints: dict[str, tuple[Endpoint, tuple[str, ...]]] = field(default_factory=dict)


class Dispatch:
    """All endpoints of the service.

    Raises:
        ValueError: Two of them are the same method and path.
    """

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._root = _Node()
        for endpoint in endpoints:
            self.add(endpoint)

    def add(self, endpoint: Endpoint) -> None:
        """Serve one more."""
        node, names = self._root, []
        for segment in endpoint.path.split("/")[1:]:
            if not segment.startswith("{"):
                node = node.literals.setdefault(segment, _Node())
                continue
            name, _, kind = segment.strip("{}").partition(":")
            names.append(name)
            if kind == "path":
                node.rest = node.rest or _Node()
                node = node.rest
            else:
                node.parameter = node.parameter or _Node()
                node = node.parameter
        if endpoint.method in node.endpoints:
            raise ValueError(f"{endpoint.method} {endpoint.path} is served twice")
        node.endpoints[endpoint.method] = (endpoint, tuple(names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            BadRequest: The path or query holds NUL or is no UTF-8.
            NotFound: There is no such path.
            MethodNotAllowed: There is, with other methods.
        """
        if query := scope["query_string"]:
            _text(query.replace(b"+", b" "), "The query")
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        segments = [_text(segment, "The path") for segment in raw.split(b"/")[1:]]
        endpoint, scope["path_params"] = self._find(scope["method"], segments)
        await endpoint(scope, receive, send)

    def _find(self, method: str, segments: Sequence[str]) -> tuple[Endpoint, dict[str, str]]:
        allowed: set[str] = set()
        for node, values in _matches(self._root, segments, 0, ()):
            found = node.endpoints.get(method)
            if found is None and method == "HEAD":
                found = node.endpoints.get("GET")
            if found is not None:
                endpoint, names = found
                return endpoint, dict(zip(names, values, strict=True))
            allowed |= node.endpoints.keys()
        if not allowed:
            raise NotFound("The resource could not be found.")
        if "GET" in allowed:
            allowed.add("HEAD")
        raise MethodNotAllowed("This path has no such method.", allowed=sorted(allowed))


def _matches(
    node: _Node, segments: Sequence[str], position: int, values: tuple[str, ...]
) -> Iterator[tuple[_Node, tuple[str, ...]]]:
    """Nodes that the path leads to, those that name more of it in words first."""
    if position == len(segments):
        if node.endpoints:
            yield node, values
        return
    segment = segments[position]
    if (literal := node.literals.get(segment)) is not None:
        yield from _matches(literal, segments, position + 1, values)
    if node.parameter is not None and segment:
        yield from _matches(node.parameter, segments, position + 1, (*values, segment))
    if node.rest is not None and segment:
        yield node.rest, (*values, "/".join(segments[position:]))


def _text(raw: bytes, where: str) -> str:
    if b"%" not in raw and raw.isascii():
        return raw.decode()
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"{where} is not UTF-8.") from error
    require_storable(text, where)
    return text
