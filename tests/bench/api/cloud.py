"""A seeded cloud for measurements: a real ``freehold serve`` on a database with servers in it.

The seed is made over the APIs, on machines of paper that obey every document; then the process
that is measured is started on its database. No worker runs in it, so that what requests ask for
costs only what asking costs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from freehold import app as application
from freehold.access import read_secret
from freehold.config import Config
from freehold.identity import bootstrap
from freehold.jobs.job import Seal
from freehold.jobs.worker import Worker
from freehold.store import Store, migrate, utc_now
from tests.bench.load import Connection
from tests.bench.process import serving
from tests.support.machines import PaperMachines
from tests.support.service import Service, admin, free_port

PASSWORD = "correct horse battery staple"
SEEDED = {"few": 3, "hundred": 100, "thousand": 1000}
"""Projects and how many servers each has."""
HOSTS = 40
TOGETHER = 100
UNLIMITED = {
    "compute/v2.1/os-quota-sets": {"quota_set": {"instances": -1, "cores": -1, "ram": -1}},
    "network/v2.0/quotas": {"quota": {"network": -1, "subnet": -1, "port": -1}},
}


@dataclass(frozen=True)
class Project:
    """One tenant of the seed."""

    id: str
    network_id: str
    image_id: str
    flavor_id: str
    token: str = ""


@dataclass
class Cloud:
    """The served seed.

    Attributes:
        pid: Of the process that is measured.
    """

    port: int
    pid: int
    projects: dict[str, Project]

    def connect(self, project: str | None = None) -> Connection:
        """A client; with a project's name, as its member."""
        return Connection(self.port, self.projects[project].token if project else None)


@contextmanager
def cloud(folder: Path) -> Iterator[Cloud]:
    """Seed a database under ``folder`` and serve it."""
    port = free_port()
    (folder / "secret").write_text("s" * 64)
    settings = {
        "database": f"sqlite:///{folder}/freehold.sqlite",
        "state_dir": folder / "state",
        "run_dir": folder / "jobs",
        "secret_file": folder / "secret",
        "policy_dir": folder / "policy.d",
        "project_dir": Path(__file__).resolve().parents[3],
        "public_url": f"http://127.0.0.1:{port}",
        "listen_port": port,
        "workers": False,
    }
    projects = _seed(Config(**settings))
    environ = {f"FREEHOLD_{key.upper()}": str(value) for key, value in settings.items()}
    with serving(["freehold.cli", "serve"], port, environ) as pid:
        made = Cloud(port, pid, projects)
        for name, project in projects.items():
            projects[name] = Project(**(vars(project) | {"token": _log_in(made, name)}))
        yield made


def login(name: str) -> dict[str, Any]:
    """Body of a login of the user of project ``name`` into it."""
    domain = {"id": "default"}
    user = {"name": name, "domain": domain, "password": PASSWORD}
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": name, "domain": domain}},
        }
    }


def _log_in(made: Cloud, name: str) -> str:
    client = made.connect()
    answer = client.ask("POST", "/identity/v3/auth/tokens", login(name), expect=201)
    client.close()
    return answer.headers["x-subject-token"]


def _seed(config: Config) -> dict[str, Project]:
    store = Store(config.database)
    migrate.upgrade(store)
    with store.write() as session:
        bootstrap(
            session,
            admin_password=PASSWORD,
            region=config.region,
            public_url=config.public_url,
            now=utc_now(),
        )
    app = application.create_app(config, store)
    service = Service(app, store, config)
    kinds = application.target_kinds(config, app.state.access.tokens)
    seal = Seal(read_secret(config.secret_file))
    worker = Worker(store, kinds, PaperMachines(), seal, utc_now)
    worker.start()
    try:
        operator = service.client(admin())
        for number in range(HOSTS):
            _sent(operator, "PUT", f"/v1/hosts/hv{number}", {}, 200)
        _await(operator, "/compute/v2.1/os-hypervisors/statistics", _all_hosts_known)
        flavor = {"name": "small", "vcpus": 1, "ram": 64, "disk": 1}
        made = _sent(operator, "POST", "/compute/v2.1/flavors", {"flavor": flavor}, 200)
        image_id = _image(operator)
        return {
            name: _project(operator, name, count, made["flavor"]["id"], image_id)
            for name, count in SEEDED.items()
        }
    finally:
        worker.stop()
        store.close()


def _project(
    operator: TestClient, name: str, servers: int, flavor_id: str, image_id: str
) -> Project:
    identity = "/identity/v3"
    project_id = _sent(operator, "POST", f"{identity}/projects", {"project": {"name": name}}, 201)[
        "project"
    ]["id"]
    user = {"name": name, "password": PASSWORD}
    user_id = _sent(operator, "POST", f"{identity}/users", {"user": user}, 201)["user"]["id"]
    role_id = operator.get(f"{identity}/roles?name=member").json()["roles"][0]["id"]
    path = f"{identity}/projects/{project_id}/users/{user_id}/roles/{role_id}"
    _sent(operator, "PUT", path, None, 204)
    for path, quota in UNLIMITED.items():
        _sent(operator, "PUT", f"/{path}/{project_id}", quota, 200)
    answer = operator.post("/identity/v3/auth/tokens", json=login(name))
    member = TestClient(operator.app, headers={"X-Auth-Token": answer.headers["X-Subject-Token"]})
    network_id = _network(member)
    for number in range(3):
        key = {"keypair": {"name": f"key{number}", "public_key": PUBLIC_KEY}}
        _sent(member, "POST", "/compute/v2.1/os-keypairs", key, 200)
    while servers > 0:
        wish = server_wish(flavor_id, image_id, network_id) | {"max_count": min(servers, TOGETHER)}
        _sent(member, "POST", "/compute/v2.1/servers", {"server": wish}, 202)
        servers -= TOGETHER
    _await(member, "/compute/v2.1/servers?status=BUILD", lambda body: not body["servers"])
    return Project(project_id, network_id, image_id, flavor_id)


def server_wish(flavor_id: str, image_id: str, network_id: str) -> dict[str, Any]:
    """What ``POST /servers`` is asked for."""
    return {
        "name": "web",
        "flavorRef": flavor_id,
        "imageRef": image_id,
        "networks": [{"uuid": network_id}],
        "metadata": {"role": "web"},
    }


def _network(client: TestClient) -> str:
    wish = {"network": {"name": "lan"}}
    network_id = str(_sent(client, "POST", "/network/v2.0/networks", wish, 201)["network"]["id"])
    subnet = {"network_id": network_id, "cidr": "10.0.0.0/16", "ip_version": 4}
    _sent(client, "POST", "/network/v2.0/subnets", {"subnet": subnet}, 201)
    return network_id


def _image(operator: TestClient) -> str:
    wish = {"name": "tiny", "disk_format": "raw", "container_format": "bare"}
    image = _sent(operator, "POST", "/image/v2/images", wish | {"visibility": "public"}, 201)
    path, kind = f"/image/v2/images/{image['id']}/file", "application/octet-stream"
    sent = operator.put(path, content=b"\0" * 4096, headers={"Content-Type": kind})
    assert sent.status_code == 204, sent.text
    return str(image["id"])


def _sent(client: TestClient, method: str, path: str, body: Any, expect: int) -> Any:
    answer = client.request(method, path, json=body)
    assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


def _all_hosts_known(body: Mapping[str, Any]) -> bool:
    return bool(body["hypervisor_statistics"]["vcpus"] >= HOSTS * 8)


def _await(client: TestClient, path: str, reached: Any) -> None:
    until = time.monotonic() + 300
    while not reached(_sent(client, "GET", path, None, 200)):
        if time.monotonic() > until:
            raise RuntimeError(f"the seed does not settle: {path}")
        time.sleep(0.2)


PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bench"
)
