"""A service for tests: real application, real database, in this process.

``build(tmp_path)`` gives the application with its tables made; ``Service.client`` speaks raw HTTP
to it as one caller; ``serve`` listens on a loopback port for real clients.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.testclient import TestClient

from freehold.access import Caller, Scope
from freehold.app import create_app
from freehold.config import Config
from freehold.http.application import KEEP_ALIVE_S, Application
from freehold.identity.domain import Domain
from freehold.identity.project import Project
from freehold.store import Store, new_hex_id, utc_now
from tests.support.database import with_tables


@dataclass
class Service:
    """The application and what stands behind it."""

    app: Application
    store: Store
    config: Config

    def client(self, caller: Caller | None = None) -> TestClient:
        """Raw HTTP as one caller (None: anonymous); server errors come back as 500, not raised."""
        headers = {}
        if caller is not None:
            token, _ = self.app.state.access.tokens.issue(caller, utc_now())
            headers["X-Auth-Token"] = token
        return TestClient(self.app, headers=headers, raise_server_exceptions=False)


def tenant(*roles: str, project_id: str | None = None) -> Caller:
    """A caller with a project of their own; roles default to member and reader."""
    project = project_id or new_hex_id()
    return Caller(
        user_id=new_hex_id(),
        user_name="someone",
        user_domain_id="default",
        user_domain_name="Default",
        scope=Scope(project, f"project-{project[:6]}", "default", "Default"),
        roles=roles or ("member", "reader"),
        methods=("password",),
    )


def admin() -> Caller:
    """A caller with the admin role."""
    return tenant("admin", "member", "reader")


def enrol(service: Service, caller: Caller) -> None:
    """Let the Identity API know a made-up caller's project, for what asks whether it exists."""
    with service.store.write() as session:
        if session.get(Domain, "default") is None:
            session.add(Domain(id="default", name="Default", options={}, extra={}))
        scope = caller.scope
        project = Project(id=scope.project_id, name=scope.project_name, options={}, extra={})
        project.domain_id = "default"
        session.add(project)


def build(tmp_path: Path, **settings: Any) -> Service:
    """Make a service on a fresh database under ``tmp_path``; ``settings`` override Config."""
    secret = tmp_path / "secret"
    secret.write_text("s" * 64)
    wanted: dict[str, Any] = {
        "database": with_tables(tmp_path),
        "state_dir": tmp_path / "state",
        "run_dir": tmp_path / "jobs",
        "secret_file": secret,
        "policy_dir": tmp_path / "policy.d",
        "project_dir": Path(__file__).resolve().parents[2],
        "workers": False,
    }
    config = Config(**(wanted | settings))
    store = Store(config.database)
    app = create_app(config, store)
    return Service(app, store, config)


def free_port() -> int:
    """A loopback TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(service: Service, port: int) -> Iterator[str]:
    """Listen on loopback for real clients; gives the base URL. Set ``public_url`` to match."""
    server = uvicorn.Server(
        uvicorn.Config(
            service.app,
            "127.0.0.1",
            port,
            log_level="warning",
            lifespan="on",
            timeout_keep_alive=KEEP_ALIVE_S,
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the test service did not start")
        threading.Event().wait(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
