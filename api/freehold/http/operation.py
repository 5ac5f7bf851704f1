"""One HTTP operation: who calls, what they may, one transaction, one answer.

A service writes plain functions and lists them in a route table where the policy name stands beside
the path. This room authenticates, negotiates the microversion, checks the policy, opens the
transaction (write for POST, PUT, PATCH and DELETE), commits **before** the answer leaves, and turns
errors into the API's own faults.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from freehold.access import Access, Caller
from freehold.config import Config
from freehold.http.versions import ApiVersion, Microversion
from freehold.store import Store, utc_now

READS = frozenset({"GET", "HEAD"})


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
        self.policies[(method, self.version.prefix + path)] = policy
        self.router.add_api_route(
            path,
            self._served(function, policy, status, writes),
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
        signature = inspect.signature(function, eval_str=True)
        parameters = [
            parameter.replace(annotation=CallDep) if parameter.annotation is Call else parameter
            for parameter in signature.parameters.values()
        ]

        @functools.wraps(function)
        def served(call: Call, **arguments: Any) -> Response:
            call.microversion = self.version.negotiate(call.request.headers)
            call.request.state.version_headers = self.version.headers(call.microversion)
            transaction = call.store.write if writes else call.store.read
            with transaction() as session:
                call.session = session
                call.caller = call.access.caller(session, call.request.headers, call.now)
                if policy is not None:
                    call.access.require_login(call.caller)
                    call.enforce(policy)
                outcome = function(call=call, **arguments)
            if isinstance(outcome, Later):
                outcome = outcome.finish()
            return _response(outcome, status, call.request.state.version_headers)

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
