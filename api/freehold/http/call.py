"""What an operation's function gets, and what it may give back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session
from starlette.requests import Request

from freehold.access import Access, Caller
from freehold.config import Config
from freehold.http.threads import Lane, Threads
from freehold.http.versions import Microversion
from freehold.store import Store, utc_now

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
        state = request.app.state
        self.store: Store = state.store
        self.access: Access = state.access
        self.config: Config = state.config
        self.threads: Threads = state.threads
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

    def write(self, step: Callable[[], T]) -> T:
        """Run ``step`` in one write transaction, which is then ``session``; see ``Store.transact``.

        For operations with ``writes=False`` that first work out what no writer should wait for.
        """

        def in_session(session: Session) -> T:
            self.session = session
            return step()

        return self.store.transact(in_session)

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


async def transact(call: Call, step: Callable[[], T], *, writes: bool = True) -> T:
    """Run ``step`` in a short transaction of its own, off the event loop; for ``add_stream``.

    ``call.session`` is that transaction and ``call.now`` is read again; both are only good in
    ``step``.
    """

    def run() -> T:
        call.now = utc_now()
        if writes:
            return call.write(step)
        with call.store.read() as session:
            call.session = session
            return step()

    return await call.threads.run(run, Lane.WRITE if writes else Lane.READ)
