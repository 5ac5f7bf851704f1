"""One HTTP operation: who calls, what they may, one transaction, one answer.

A service writes plain functions and lists them in a route table where the policy name stands beside
the path. This room authenticates, negotiates the microversion, checks the policy, reads the body,
opens the transaction (write for POST, PUT, PATCH and DELETE), commits **before** the answer leaves,
and turns errors into the API's own faults. The caller of a write is admitted in a read before it:
who may not write never waits for those who do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from freehold.access import Caller
from freehold.errors import BadRequest, NotAuthenticated
from freehold.http.answers import Answers
from freehold.http.body import checked
from freehold.http.call import Call, Later, Reply, transact
from freehold.http.dispatch import Endpoint
from freehold.http.threads import Lane
from freehold.http.versions import ApiVersion

READS = frozenset({"GET", "HEAD"})


class Answer(TypedDict, total=False):
    """What the OpenAPI document cannot read from an operation's function.

    Attributes:
        empty: The answer has no body (those with status 204 have none anyway).
        media_type: Of the body, if it is not JSON.
        also: Other statuses of success, which depend on the microversion or on what was there.
        request: Media type → schema of a request's body that is not checked by a model.
    """

    empty: bool
    media_type: str
    also: Sequence[int]
    request: Mapping[str, Any]


class Operation:
    """Serves one function at one method and path.

    Attributes:
        answer: What is only told, in the OpenAPI document.
        body: How its body is checked: None when it has none, ``bytes`` when it takes it as it is.
        streams: An async function that reads its body, or waits, outside any transaction.
    """

    def __init__(
        self,
        version: ApiVersion,
        method: str,
        path: str,
        function: Callable[..., Any],
        *,
        policy: str | None,
        status: int,
        writes: bool,
        streams: bool = False,
        answer: Answer | None = None,
    ) -> None:
        self.answer: Answer = answer or {}
        self.version = version
        self.method = method
        self.path = version.prefix + path
        self.function = function
        self.policy = policy
        self.status = status
        self.writes = writes
        # What changes something but opens its transaction itself has something long to do first.
        reads = Lane.READ if method in READS else Lane.WAIT
        self._lane = Lane.WRITE if writes else reads
        self.streams = streams
        self._repeats = method == "GET" and not streams
        self.body: TypeAdapter[Any] | type[bytes] | None = None
        self._checks: dict[str, TypeAdapter[Any]] = {}
        for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
            if name == "body":
                said = parameter.annotation
                self.body = bytes if said is bytes else TypeAdapter(said)
            elif name != "call" and parameter.annotation is not str:
                self._checks[name] = TypeAdapter(parameter.annotation)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        state = scope["app"].state
        answers: Answers = state.answers
        question = answers.question(scope, state.store.version()) if self._repeats else None
        outcome: Any = answers.find(question) if question is not None else None
        said: Mapping[str, str] = {}
        if outcome is None:
            request = Request(scope, receive)
            call = Call(request)
            call.microversion = self.version.negotiate(request.headers)
            said = request.state.version_headers = self.version.headers(call.microversion)
            outcome = await self._outcome(call)
            if question is not None and isinstance(outcome, Reply):
                outcome = replace(outcome, headers={**said, **outcome.headers})
                answers.keep(question, outcome, call.caller.expires_at)
        await _response(outcome, self.status, said)(scope, receive, send)

    async def _outcome(self, call: Call) -> Response | Reply:
        """What the function makes of the request, ready to be sent."""
        if self.streams:
            await transact(call, lambda: self._admit(call), writes=False)
            return _ready(await self.function(call=call, **self._arguments(call, b"")))
        content = await call.request.body() if self.body is not None else b""
        outcome = await call.threads.run(lambda: self._run(call, content), self._lane)
        if isinstance(outcome, Later):
            finish = outcome.finish
            return await call.threads.run(lambda: _ready(finish()), Lane.WAIT)
        return outcome

    def _run(self, call: Call, content: bytes) -> Response | Reply | Later:
        with call.store.read() as session:
            call.session = session
            self._admit(call)
            arguments = self._arguments(call, content)
            if not self.writes:
                outcome = self.function(call=call, **arguments)
        if self.writes:
            outcome = call.write(lambda: self.function(call=call, **arguments))
        return outcome if isinstance(outcome, Later) else _ready(outcome)

    def _admit(self, call: Call) -> None:
        """Find out who calls, and refuse who may not.

        Where nobody need log in, a token that is not good is no token (as keystone has it): a
        client with a stale one can get a new one.
        """
        try:
            call.caller = call.access.caller(call.session, call.request.headers, call.now)
        except NotAuthenticated:
            if self.policy is not None:
                raise
            call.caller = Caller()
        if self.policy is not None:
            call.access.require_login(call.caller)
            call.enforce(self.policy)

    def _arguments(self, call: Call, content: bytes) -> dict[str, Any]:
        arguments: dict[str, Any] = dict(call.request.path_params)
        for name, check in self._checks.items():
            try:
                arguments[name] = check.validate_python(arguments[name])
            except ValidationError as error:
                message = error.errors(include_url=False)[0]["msg"]
                raise BadRequest(f"{name} in the path: {message}") from error
        if self.body is bytes:
            arguments["body"] = content
        elif isinstance(self.body, TypeAdapter):
            kind = call.request.headers.get("content-type", "")
            arguments["body"] = checked(self.body, content, kind)
        return arguments


class Routes:
    """The route table of one API version.

    Args:
        version: Its prefix and microversions.

    Attributes:
        endpoints: All that is served, operations and version documents.
        policies: Method and path → the rule that is checked first, None where it is public.
    """

    def __init__(self, version: ApiVersion) -> None:
        self.version = version
        self.endpoints: list[Endpoint] = []
        self.policies: dict[tuple[str, str], str | None] = {}

    def add(
        self,
        method: str,
        path: str,
        function: Callable[..., Any],
        *,
        policy: str | None,
        status: int = 200,
        writes: bool | None = None,
        **answer: Unpack[Answer],
    ) -> None:
        """Serve ``function`` at ``path``.

        Args:
            method: GET, POST, …; GET is served for HEAD too.
            path: Below the version's prefix (``/servers/{server_id}``; ``{name:path}`` takes
                slashes too).
            function: ``def f(call: Call, …)``; further parameters are those of the path, as text
                or what their annotation makes of it, and ``body``: a model or any type that
                pydantic checks JSON against, or ``bytes`` for the body as it is. Returns a
                JSON-able body, a Reply, a Later, a Response, or None for no body.
            policy: The rule that the caller must pass before anything is looked up; rules about the
                resource itself are the function's work (``call.enforce``). None means public.
            status: Status of the answer unless it names its own; what the OpenAPI document tells.
            writes: Whether the transaction writes; by itself all but GET and HEAD do. A POST that
                first hashes a password says False, so that nobody waits with it, and writes with
                ``call.write``.
            answer: What the OpenAPI document says besides.
        """
        if writes is None:
            writes = method not in READS
        self.serve(
            Operation(
                self.version,
                method,
                path,
                function,
                policy=policy,
                status=status,
                writes=writes,
                answer=answer,
            ),
            policy,
        )

    def add_stream(
        self,
        method: str,
        path: str,
        function: Callable[..., Any],
        *,
        policy: str | None,
        status: int = 200,
        **answer: Unpack[Answer],
    ) -> None:
        """Serve an async ``function`` that reads its body, or waits, outside any transaction.

        The caller and the policy are checked in a transaction of their own, which ends before
        ``function`` starts. It touches the store only in short transactions, by ``transact``, and
        there alone ``call.session`` is good. Everything else is as ``add`` says.
        """
        self.serve(
            Operation(
                self.version,
                method,
                path,
                function,
                policy=policy,
                status=status,
                writes=True,
                streams=True,
                answer=answer,
            ),
            policy,
        )

    def serve(self, endpoint: Endpoint, policy: str | None = None) -> None:
        """Serve any endpoint; ``policy`` is only told, the endpoint itself checks it."""
        self.policies[(endpoint.method, endpoint.path)] = policy
        self.endpoints.append(endpoint)


def _ready(outcome: Any) -> Response | Reply:
    return outcome if isinstance(outcome, Response) else _rendered(outcome)


def _rendered(outcome: Any) -> Reply:
    """The answer with its body as bytes, made in the operation's own thread."""
    reply = outcome if isinstance(outcome, Reply) else Reply(outcome)
    body = None if reply.body is None else to_json(reply.body)
    return Reply(body, reply.status, reply.headers)


def _response(outcome: Response | Reply, status: int, headers: Mapping[str, str]) -> Response:
    if isinstance(outcome, Response):
        outcome.headers.update(headers)
        return outcome
    said = {**headers, **outcome.headers}
    if outcome.body is not None:
        said["Content-Type"] = "application/json"
    return Response(outcome.body, outcome.status or status, said)
