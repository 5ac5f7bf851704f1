"""One HTTP operation: who calls, what they may, one transaction, one answer.

A service writes plain functions and lists them in a route table where the policy name stands beside
the path. This room authenticates, negotiates the microversion, checks the policy, opens the
transaction (write for POST, PUT, PATCH and DELETE), commits **before** the answer leaves, and turns
errors into the API's own faults.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from freehold.access import Access, Caller
from freehold.config import Config
from freehold.http.versions import ApiVersion, Microversion
from freehold.store import Store, utc_now

READS = frozenset({"GET", "HEAD"})
T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    """An answer that needs more than a body: another status, headers."""

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Later:
    """The rest of an operation that waits for a machine, run once the transaction is over.

    So no other request waits with it. ``finish`` returns what the operation would; it has no
    session.
    """

    finish: Callable[[], Any]


class Call:
    """What an operation's function gets besides its parameters.

    Attributes:
        session: The open transaction.
        caller: Who asks; anonymous only where the route says ``public``.
        now: The clock, read once a request.
        microversion: As negotiated; None for APIs without.
    """

    session: Session
    caller: Caller

    def __init__(self, request: Request) -> None:
        self.request = request
        self.store: Store = request.app.state.store
        self.access: Access = request.app.state.access
        self.config: Config = request.app.state.config
        self.now: datetime = utc_now()
        self.microversion: Microversion | None = None

    @property
    def params(self) -> Mapping[str, str]:
        """Query parameters; a repeated one gives its last value (``many`` gives all)."""
        return self.request.query_params

    def many(self, name: str) -> list[str]:
        """All values of a repeated query parameter."""
        return self.request.query_params.getlist(name)

    def url(self, path: str) -> str:
        """An absolute link on the public URL; ``path`` starts with ``/``."""
        return f"{self.config.public_url.rstrip('/')}{path}"

    def at_least(self, version: str) -> bool:
        """Whether the answer is in this microversion or a later one."""
        return self.microversion is not None and self.microversion.at_least(version)

    def enforce(self, rule: str, target: Mapping[str, Any] | None = None) -> None:
        """Refuse (Forbidden) unless policy lets the caller do ``rule`` on ``target``."""
        self.access.enforce(self.caller, rule, target)

    def may(self, rule: str, target: Mapping[str, Any] | None = None) -> bool:
        """The same as a question."""
        return self.access.allows(self.caller, rule, target)

    def audit(self, action: str, resource: str, resource_id: str, **facts: Any) -> None:
        """Write into the audit trail, in this transaction. No secrets in ``facts``."""
        self.access.record(
            self.session,
            caller=self.caller,
            action=action,
            resource=resource,
            resource_id=resource_id,
            request_id=self.request.state.request_id,
            now=self.now,
            facts=facts,
        )


def _call(request: Request) -> Call:
    return Call(request)


CallDep = Annotated[Call, Depends(_call)]


class Routes:
    """The route table of one API version.

    Args:
        version: Its prefix and microversions.
    """

    def __init__(self, version: ApiVersion) -> None:
        self.version = version
        self.router = APIRouter(prefix=version.prefix)
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
    ) -> None:
        """Serve ``function`` at ``path``.

        Args:
            method: GET, POST, …
            path: Below the version's prefix, FastAPI form (``/servers/{server_id}``).
            function: ``def f(call: Call, …)``; path, query and body parameters as FastAPI reads
                them from its signature. Returns a JSON-able body, a Reply, a Later, a Response, or
                None for no body.
            policy: The rule that the caller must pass before anything is looked up; rules about the
                resource itself are the function's work (``call.enforce``). None means public.
            status: Status of a plain body.
            writes: Whether the transaction writes; by itself all but GET and HEAD do. A POST that
                only reads (issuing a token) says False, so that it never waits for a writer.
        """
        if writes is None:
            writes = method not in READS
        served = self._served(function, policy, status, writes)
        self._register(method, path, function, served, policy, status)

    def add_stream(
        self,
        method: str,
        path: str,
        function: Callable[..., Awaitable[Any]],
        *,
        policy: str | None,
        status: int = 200,
    ) -> None:
        """Serve an async ``function`` that reads its body, or waits, outside any transaction.

        The caller and the policy are checked in a transaction of their own, which ends before
        ``function`` starts. It touches the store only in short transactions, by ``transact``, and
        there alone ``call.session`` is good. Everything else is as ``add`` says.
        """
        served = self._streamed(function, policy, status)
        self._register(method, path, function, served, policy, status)

    def _register(
        self,
        method: str,
        path: str,
        function: Callable[..., Any],
        served: Callable[..., Any],
        policy: str | None,
        status: int,
    ) -> None:
        self.policies[(method, self.version.prefix + path)] = policy
        self.router.add_api_route(
            path,
            served,
            methods=[method],
            status_code=status,
            response_model=None,
            tags=[self.version.service_type],
            operation_id=f"{self.version.service_type}.{function.__module__.rsplit('.', 1)[-1]}"
            f".{function.__name__}.{method.lower()}",
            summary=(inspect.getdoc(function) or function.__name__).split("\n")[0],
        )

    def _served(
        self, function: Callable[..., Any], policy: str | None, status: int, writes: bool
    ) -> Callable[..., Response]:
        @functools.wraps(function)
        def served(call: Call, **arguments: Any) -> Response:
            self._negotiate(call)
            transaction = call.store.write if writes else call.store.read
            with transaction() as session:
                call.session = session
                _admit(call, policy)
                outcome = function(call=call, **arguments)
            if isinstance(outcome, Later):
                outcome = outcome.finish()
            return _response(outcome, status, call.request.state.version_headers)

        return _declared(served, function)

    def _streamed(
        self, function: Callable[..., Awaitable[Any]], policy: str | None, status: int
    ) -> Callable[..., Awaitable[Response]]:
        @functools.wraps(function)
        async def served(call: Call, **arguments: Any) -> Response:
            self._negotiate(call)
            await transact(call, lambda: _admit(call, policy), writes=False)
            outcome = await function(call=call, **arguments)
            return _response(outcome, status, call.request.state.version_headers)

        return _declared(served, function)

    def _negotiate(self, call: Call) -> None:
        call.microversion = self.version.negotiate(call.request.headers)
        call.request.state.version_headers = self.version.headers(call.microversion)


async def transact(call: Call, step: Callable[[], T], *, writes: bool = True) -> T:
    """Run ``step`` in a short transaction of its own, off the event loop; for ``add_stream``.

    ``call.session`` is that transaction and ``call.now`` is read again; both are only good in
    ``step``.
    """

    def run() -> T:
        call.now = utc_now()
        transaction = call.store.write if writes else call.store.read
        with transaction() as session:
            call.session = session
            return step()

    return await run_in_threadpool(run)


def _admit(call: Call, policy: str | None) -> None:
    """Find out who calls, and refuse who may not."""
    call.caller = call.access.caller(call.session, call.request.headers, call.now)
    if policy is not None:
        call.access.require_login(call.caller)
        call.enforce(policy)


def _declared(served: Callable[..., T], function: Callable[..., Any]) -> Callable[..., T]:
    """Let FastAPI read ``function``'s parameters from ``served``, the call itself made by us."""
    signature = inspect.signature(function, eval_str=True)
    parameters = [
        parameter.replace(annotation=CallDep) if parameter.annotation is Call else parameter
        for parameter in signature.parameters.values()
    ]
    served.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=Response
    )
    served.__annotations__ = {p.name: p.annotation for p in parameters}
    return served


def _response(outcome: Any, status: int, headers: Mapping[str, str]) -> Response:
    if isinstance(outcome, Response):
        outcome.headers.update(headers)
        return outcome
    reply = outcome if isinstance(outcome, Reply) else Reply(outcome)
    said = {**headers, **reply.headers}
    code = reply.status or status
    if reply.body is None:
        return Response(None, code, said)
    return JSONResponse(reply.body, code, said)
