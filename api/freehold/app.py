"""The whole service as one ASGI application: every room's routes, rules and target kinds meet
here.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

from starlette.concurrency import run_in_threadpool

from freehold.access import Access, Rule, Tokens, Vault, read_secret
from freehold.config import Config
from freehold.errors import Unavailable
from freehold.http import Routes, VersionDocument
from freehold.http.answers import Answers
from freehold.http.application import Application
from freehold.http.threads import Threads
from freehold.jobs import Ask, Question, TargetKind
from freehold.jobs.job import Seal
from freehold.jobs.prefork import AnsibleServer
from freehold.jobs.runner import AnsibleRunner
from freehold.jobs.worker import Worker
from freehold.store import Store, utc_now

ROOMS = ("identity", "hosts", "image", "network", "compute", "operations")
"""Each offers ``ROUTES`` (one Routes or several), ``RULES`` and, if it converges,
``target_kinds(config, tokens)``.
"""


def rooms() -> list[ModuleType]:
    """Import all services (which also makes their tables known to the store's metadata)."""
    return [importlib.import_module(f"freehold.{name}") for name in ROOMS]


def route_tables() -> list[Routes]:
    """Every route table of every service."""
    tables: list[Routes] = []
    for room in rooms():
        routes: Routes | Sequence[Routes] = room.ROUTES
        tables += [routes] if isinstance(routes, Routes) else list(routes)
    return tables


def rules() -> list[Rule]:
    """Every policy rule of every service."""
    return [rule for room in rooms() for rule in room.RULES]


def target_kinds(config: Config, tokens: Tokens) -> list[TargetKind]:
    """Every kind of target."""
    return [
        kind
        for room in rooms()
        if hasattr(room, "target_kinds")
        for kind in room.target_kinds(config, tokens)
    ]


def build_worker(config: Config, store: Store) -> Worker:
    """A worker for every kind of target, running real playbooks."""
    secret = read_secret(config.secret_file)
    return Worker(
        store,
        target_kinds(config, Tokens(secret, config.token_lifetime_s)),
        AnsibleRunner(
            config, AnsibleServer(config.project_dir / "plugins/prefork", config.run_dir.parent)
        ),
        Seal(secret),
        utc_now,
        slots=config.job_slots,
        name=config.worker_name,
    )


def create_app(
    config: Config, store: Store, *, worker: Worker | None = None, ask: Ask | None = None
) -> Application:
    """Build the application; a given worker lives as long as the application is served.

    Args:
        worker: Runs jobs, and questions on machines.
        ask: Runs questions where there is no worker; without either they answer 503.
    """

    @asynccontextmanager
    async def lifespan(app: Application) -> AsyncIterator[None]:
        if worker is not None:
            worker.start()
        yield
        if worker is not None:
            await run_in_threadpool(worker.stop)
        app.state.threads.close()

    secret = read_secret(config.secret_file)
    tokens = Tokens(secret, config.token_lifetime_s)
    tables = route_tables()
    endpoints = [endpoint for table in tables for endpoint in table.endpoints]
    app = Application(
        [*endpoints, _root(tables)],
        lifespan=lifespan,
        max_body_bytes=config.max_body_bytes,
        threads=Threads(side_by_side=not store.is_sqlite),
    )
    app.state.config = config
    app.state.store = store
    app.state.answers = Answers()
    app.state.access = Access(tokens, rules(), config.policy_dir, Vault(secret))
    app.state.ask = ask or (worker.ask if worker is not None else _nobody_to_ask)
    app.state.seal = Seal(secret)
    return app


def _nobody_to_ask(question: Question) -> dict[str, Any]:
    raise Unavailable(f"No worker runs here that could ask {question.limit}.")


def _root(tables: Sequence[Routes]) -> VersionDocument:
    """``/`` names all APIs; each API's own documents are made from its ApiVersion."""
    versions = {table.version.prefix: table.version for table in tables}

    def document(url: str) -> dict[str, Any]:
        return {"versions": [version.document(url) for version in versions.values()]}

    return VersionDocument("/", document)
