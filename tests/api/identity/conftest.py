"""A bootstrapped service, and ways to log in to it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from freehold.app import create_app
from freehold.config import Config
from freehold.identity import bootstrap
from freehold.store import Store, utc_now
from tests.support.database import copied
from tests.support.service import Service, build, free_port, serve

ADMIN_PASSWORD = "correct horse"


def bootstrapped(service: Service) -> bool:
    """Run the bootstrap once; returns whether it changed anything."""
    with service.store.write() as session:
        return bootstrap(
            session,
            admin_password=ADMIN_PASSWORD,
            region=service.config.region,
            public_url=service.config.public_url,
            now=utc_now(),
        )


def password_body(name: str, password: str, scope: Any = None) -> dict[str, Any]:
    """Body of a login by name in the default domain."""
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if scope is not None:
        auth["scope"] = scope
    return {"auth": auth}


@dataclass
class Cloud:
    """A bootstrapped service."""

    service: Service
    admin_token: str = ""

    @functools.cached_property
    def admin(self) -> TestClient:
        """The operator."""
        client = self.anonymous()
        client.headers["X-Auth-Token"] = self.admin_token
        return client

    def anonymous(self) -> TestClient:
        """Nobody."""
        return self.service.client()

    def login(self, name: str, password: str, scope: Any = None) -> Any:
        """The answer to a login."""
        path = "/identity/v3/auth/tokens"
        return self.anonymous().post(path, json=password_body(name, password, scope))

    def client(
        self, name: str = "admin", password: str = ADMIN_PASSWORD, **scope: Any
    ) -> TestClient:
        """Raw HTTP with a token; ``project="demo"`` scopes to one of the default domain."""
        wanted: Any = None
        project = scope.get("project", "admin" if name == "admin" else None)
        if project is not None:
            wanted = {"project": {"name": project, "domain": {"id": "default"}}}
        answer = self.login(name, password, wanted)
        assert answer.status_code == 201, answer.text
        client = self.anonymous()
        client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        return client

    def make(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Let the admin make a ``user``, ``project``, ``role``, ``group`` or ``domain``."""
        answer = self.admin.post(f"/identity/v3/{kind}s", json={kind: fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()[kind]
        return made

    def role_id(self, name: str) -> str:
        """Id of a role by name."""
        (role,) = self.admin.get(f"/identity/v3/roles?name={name}").json()["roles"]
        return str(role["id"])

    def give(self, user_id: str, role: str, project_id: str) -> str:
        """Give a role on a project; returns the path of the assignment."""
        path = f"/identity/v3/projects/{project_id}/users/{user_id}/roles/{self.role_id(role)}"
        assert self.admin.put(path).status_code == 204
        return path

    def member(self, name: str = "ann", project: str = "demo") -> tuple[dict[str, Any], str]:
        """A user who is a member of a new project; returns the user and the assignment's path."""
        made = self.make("project", name=project)
        user = self.make("user", name=name, password="secret", email="ann@example.org")
        return user, self.give(user["id"], "member", made["id"])


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Service, str]:
    """A bootstrapped database, made once, and a token of its admin."""
    service = build(tmp_path_factory.mktemp("template"))
    assert bootstrapped(service)
    token = Cloud(service).client().headers["X-Auth-Token"]
    service.store.close()
    return service, token


@pytest.fixture
def cloud(template: tuple[Service, str], tmp_path: Path) -> Iterator[Cloud]:
    """A bootstrapped service in this process, on a copy of the template's database."""
    service, token = template
    config = Config(
        database=copied(service.config.database, tmp_path),
        secret_file=service.config.secret_file,
        policy_dir=tmp_path / "policy.d",
    )
    store = Store(config.database)
    made = Cloud(Service(create_app(config, store), store, config), token)
    yield made
    store.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a bootstrapped service on loopback, for real clients; one a module."""
    port = free_port()
    folder: Path = tmp_path_factory.mktemp("served")
    service = build(folder, public_url=f"http://127.0.0.1:{port}")
    bootstrapped(service)
    with serve(service, port) as url:
        yield url
    service.store.close()
