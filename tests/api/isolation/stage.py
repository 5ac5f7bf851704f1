"""A small cloud with one of everything, seen by eight personas; put back after each change.

``member`` and ``reader`` are users of the project that owns the things; ``stranger`` is a member of
another project; ``unscoped`` logged in without a scope, ``domain`` is a member of a domain without
a project; ``admin`` is the operator, ``system`` the operator with a token for the system.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from httpx2 import Response
from sqlalchemy import event
from starlette.testclient import TestClient

from freehold.app import create_app, target_kinds
from freehold.identity import bootstrap
from freehold.jobs.job import Job, Seal
from freehold.jobs.lease import take
from freehold.jobs.run import Run
from freehold.jobs.worker import Worker
from freehold.network.tagged import TAGGED
from freehold.store import new_id, utc_now
from tests.api.isolation.stage_credentials import keep_credentials, keep_trust
from tests.support.database import keep, put_back
from tests.support.machines import PaperMachines
from tests.support.service import Service, build

PASSWORD = "correct horse"
LATEST = {"OpenStack-API-Version": "compute 2.96"}
OCTETS = {"Content-Type": "application/octet-stream"}
STATES = {
    "stopped_server": ("os-stop", "SHUTOFF"),
    "paused_server": ("pause", "PAUSED"),
    "suspended_server": ("suspend", "SUSPENDED"),
}
"""Servers that are not just running: what was done to them, and what they then show."""
UNKNOWN = "00000000-0000-4000-8000-000000000007"
WORDS = {
    "tags": "owners-own",
    "metadata": "colour",
    "ips": "owners-own",
    "os-extra_specs": "hw:color",
    "os-keypairs": "owners-own",
    "hosts": "hv1",
    "targets": "host",
    "host": "hv1",
    "new_region": "Another",
    "network_extension": "router",
    "compute_extension": "os-keypairs",
    "agents": UNKNOWN,
    "public_key": "ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIJXcWGGvpKzxh3ciqYQ0ZAxAoYtZS2KrVv3zsgMkVMha",
}
"""Names that stand in paths where others have ids, by the word before them in the path."""
PERSONAS = (
    "anonymous",
    "unscoped",
    "domain",
    "stranger",
    "reader",
    "member",
    "admin",
    "system",
)


@dataclass
class Stage:
    """The cloud, its things by name, and its personas' tokens.

    Attributes:
        things: Collection as in a path (``servers``, ``networks``) or a word → id.
        private: Ids and words that nobody but the owning project and operators may ever be told.
    """

    service: Service
    things: dict[str, str] = field(default_factory=lambda: dict(WORDS))
    tokens: dict[str, str] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    queries: int = 0

    def __post_init__(self) -> None:
        self.client = TestClient(self.service.app, raise_server_exceptions=False)
        self._watch()

    def _watch(self) -> None:
        def count(*_: Any) -> None:
            self.queries += 1

        event.listen(self.service.store.engine, "before_cursor_execute", count)

    def ask(
        self, persona: str, method: str, path: str, body: Any = None, **options: Any
    ) -> Response:
        """One request; ``queries`` is then how many statements the database had for it."""
        headers = {**LATEST, "Cache-Control": "no-cache", **options.pop("headers", {})}
        if token := self.tokens.get(persona):
            headers["X-Auth-Token"] = token
        if body is not None:
            options["json"] = body
        self.queries = 0
        return self.client.request(method, path, headers=headers, **options)

    def make(self, path: str, body: Any, persona: str = "member") -> dict[str, Any]:
        """POST, insisting on success; returns the resource."""
        answer = self.ask(persona, "POST", path, body)
        assert answer.is_success, f"{path}: {answer.text}"
        shown = answer.json()
        made: dict[str, Any] = next(iter(shown.values())) if len(shown) == 1 else shown
        return made

    def converge(self) -> list[Run]:
        """Let obedient machines do all that is due; what they were given."""
        now = utc_now()
        with self.service.store.write() as session:
            leases = take(session, now, ("host", "network"), "stage", 9)
        machines = PaperMachines()
        worker = _worker(self.service, machines)
        for lease in leases:
            worker.serve(lease)
        return machines.runs

    def save(self) -> None:
        """What is there now is what ``restore`` brings back."""
        self.service.store.close()
        keep(self.service.store.url)
        shutil.copytree(self.service.config.images_dir, self._kept_images)

    def restore(self) -> None:
        """Undo everything since ``save``. The store stays, with all statements it has compiled."""
        self.service.store.close()
        put_back(self.service.store.url)
        images = self.service.config.images_dir
        shutil.copytree(self._kept_images, images, dirs_exist_ok=True)

    @property
    def _kept_images(self) -> Path:
        return self.service.config.secret_file.with_name("kept-images")


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Build it; everything stands on public requests, but for one job that runs elsewhere."""
    service = build(folder)
    service.app = create_app(service.config, service.store, ask=_worker(service).ask)
    stage = Stage(service)
    with stage.client:
        _identity(stage)
        _hosts_flavors_images(stage)
        _network(stage)
        _servers(stage)
        _running_job(stage)
        stage.private.add("owners-own")
        stage.save()
        yield stage
    stage.service.store.close()


def _worker(service: Service, machines: PaperMachines | None = None) -> Worker:
    """A worker on the database as it is now, whose machines are on paper."""
    seal = Seal(service.config.secret_file.read_bytes())
    kinds = target_kinds(service.config, service.app.state.access.tokens)
    obedient = machines or PaperMachines()
    return Worker(service.store, kinds, obedient, seal, utc_now, name="stage")


def _login(stage: Stage, name: str, scope: Any) -> str:
    user = {"name": name, "domain": {"id": "default"}, "password": PASSWORD}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
    answer = stage.ask("anonymous", "POST", "/identity/v3/auth/tokens", {"auth": auth})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["X-Subject-Token"])


def _named(project: str) -> dict[str, Any]:
    return {"project": {"name": project, "domain": {"id": "default"}}}


def _identity(stage: Stage) -> None:
    things = stage.things
    with stage.service.store.write() as session:
        bootstrap(
            session,
            admin_password=PASSWORD,
            region="RegionOne",
            public_url=stage.service.config.public_url,
            now=utc_now(),
        )
    stage.tokens["admin"] = _login(stage, "admin", _named("admin"))
    stage.tokens["system"] = _login(stage, "admin", {"system": {"all": True}})

    def make(kind: str, **fields: Any) -> str:
        return str(stage.make(f"/identity/v3/{kind}s", {kind: fields}, "admin")["id"])

    roles = stage.ask("admin", "GET", "/identity/v3/roles").json()["roles"]
    role = {entry["name"]: entry["id"] for entry in roles}
    things["projects"] = make("project", name="owners-own", tags=["owners-own"])
    things["project_theirs"] = make("project", name="theirs")
    things["quotas"] = things["os-quota-sets"] = things["projects"]
    things["spare_project"] = make("project", name="spare")
    users = {
        name: make("user", name=name, password=PASSWORD)
        for name in ("member", "reader", "stranger", "domain", "unscoped", "spare")
    }
    for name, kind, where in (
        ("member", "member", f"projects/{things['projects']}"),
        ("reader", "reader", f"projects/{things['projects']}"),
        ("stranger", "member", f"projects/{things['project_theirs']}"),
        ("unscoped", "member", f"projects/{things['project_theirs']}"),
        ("domain", "member", "domains/default"),
    ):
        path = f"/identity/v3/{where}/users/{users[name]}/roles/{role[kind]}"
        assert stage.ask("admin", "PUT", path).status_code == 204
    stage.tokens |= {
        "member": _login(stage, "member", _named("owners-own")),
        "reader": _login(stage, "reader", _named("owners-own")),
        "stranger": _login(stage, "stranger", _named("theirs")),
        "domain": _login(stage, "domain", {"domain": {"id": "default"}}),
        "unscoped": _login(stage, "unscoped", {"unscoped": {}}),
    }
    things |= {
        "users": users["member"],
        "spare_user": users["spare"],
        "groups": make("group", name="owners-own"),
        "roles": make("role", name="spare"),
        "implies": make("role", name="implied"),
        "prior_role": make("role", name="prior"),
        "domains": make("domain", name="owners-own", enabled=False),
        "regions": make("region", id="Spare"),
        "services": make("service", type="dns", name="spare"),
    }
    things["endpoints"] = make(
        "endpoint", service_id=things["services"], interface="public", url="https://dns.example.org"
    )
    credentials = f"/identity/v3/users/{users['member']}/application_credentials"
    made = stage.make(credentials, {"application_credential": {"name": "owners-own"}})
    things["application_credentials"] = made["id"]
    keep_credentials(stage)
    keep_trust(stage, role["member"], users["reader"])
    rule = f"/identity/v3/roles/{things['prior_role']}/implies/{things['implies']}"
    assert stage.ask("admin", "PUT", rule).status_code == 201
    stage.ask("admin", "PUT", f"/identity/v3/groups/{things['groups']}/users/{users['member']}")
    things["subject"] = _login(stage, "member", _named("owners-own"))
    for who in ("users", "groups"):
        for where in ("projects", "domains", "system"):
            _grant(stage, who, where)
    stage.private |= {things[name] for name in ("application_credentials", "groups", "projects")}
    stage.private |= {users["member"], users["reader"]}


def _grant(stage: Stage, who: str, where: str) -> None:
    """The role ``spare``, directly and inherited, on each kind of place."""
    place = where if where == "system" else f"{where}/{stage.things[where]}"
    path = f"{place}/{who}/{stage.things[who]}/roles/{stage.things['roles']}"
    paths = [f"/identity/v3/{path}"]
    if where != "system":
        paths.append(f"/identity/v3/OS-INHERIT/{path}/inherited_to_projects")
    for one in paths:
        assert stage.ask("admin", "PUT", one).status_code == 204, one


def _hosts_flavors_images(stage: Stage) -> None:
    things = stage.things
    assert stage.ask("admin", "PUT", "/v1/hosts/hv1", {}).status_code == 200
    stage.converge()
    flavor = {"name": "small", "vcpus": 1, "ram": 512, "disk": 1}
    made = stage.make("/compute/v2.1/flavors", {"flavor": flavor}, "admin")
    things["flavors"] = things["public_flavor"] = made["id"]
    secret = flavor | {"name": "owners-own", "os-flavor-access:is_public": False}
    things["private_flavor"] = stage.make("/compute/v2.1/flavors", {"flavor": secret}, "admin")[
        "id"
    ]
    specs = f"/compute/v2.1/flavors/{things['private_flavor']}/os-extra_specs"
    stage.make(specs, {"extra_specs": {"hw:color": "owners-own"}}, "admin")
    action = f"/compute/v2.1/flavors/{things['private_flavor']}/action"
    stage.make(action, {"addTenantAccess": {"tenant": things["projects"]}}, "admin")
    (hypervisor,) = stage.ask("admin", "GET", "/compute/v2.1/os-hypervisors").json()["hypervisors"]
    (service,) = stage.ask("admin", "GET", "/compute/v2.1/os-services").json()["services"]
    things |= {"os-hypervisors": hypervisor["id"], "os-services": service["id"]}

    image = {"name": "owners-own", "disk_format": "raw", "container_format": "bare"}
    for name, visibility, data in (
        ("images", "private", True),
        ("shared_image", "shared", True),
        ("queued_image", "private", False),
        ("deactivated_image", "private", True),
    ):
        wish = image | {"visibility": visibility, "tags": ["owners-own"]}
        things[name] = stage.make("/image/v2/images", wish)["id"]
        path = f"/image/v2/images/{things[name]}"
        if data:
            sent = stage.ask("member", "PUT", f"{path}/file", content=b"\0" * 512, headers=OCTETS)
            assert sent.status_code == 204, sent.text
        stage.private.add(things[name])
    stage.ask("member", "POST", f"{path}/actions/deactivate")
    members = f"/image/v2/images/{things['shared_image']}/members"
    stage.make(members, {"member": things["spare_project"]})
    stage.private |= {things["private_flavor"]}


def _network(stage: Stage) -> None:
    things = stage.things

    def make(kind: str, persona: str = "member", **fields: Any) -> str:
        path = f"/network/v2.0/{kind.replace('_', '-')}s"
        wish = {"description": "owners-own" if persona == "member" else ""} | fields
        return str(stage.make(path, {kind: wish}, persona)["id"])

    external = {
        "router:external": True,
        "provider:network_type": "flat",
        "provider:physical_network": "physnet1",
    }
    things["outside"] = make("network", "admin", name="outside", **external)
    cidr = {"cidr": "203.0.113.0/24", "ip_version": 4}
    make("subnet", "admin", network_id=things["outside"], **cidr)
    things["networks"] = network = make("network", name="owners-own")
    things["subnets"] = make("subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4)
    things["subnetpools"] = make("subnetpool", prefixes=["10.32.0.0/16"])
    things["security-groups"] = make("security_group", name="owners-own")
    things["os-security-groups"] = things["security-groups"]
    rule = {"security_group_id": things["security-groups"], "direction": "ingress"}
    things["security-group-rules"] = make("security_group_rule", **rule, protocol="tcp")
    things["os-security-group-rules"] = things["security-group-rules"]
    things["ports"] = make("port", network_id=network)
    things["spare_port"] = make("port", network_id=network)
    things["routers"] = make("router", external_gateway_info={"network_id": things["outside"]})
    interface = f"/network/v2.0/routers/{things['routers']}/add_router_interface"
    answer = stage.ask("member", "PUT", interface, {"subnet_id": things["subnets"]})
    assert answer.status_code == 200, answer.text
    things["floatingips"] = make(
        "floatingip", floating_network_id=things["outside"], port_id=things["ports"]
    )
    path = f"/network/v2.0/floatingips/{things['floatingips']}"
    leads = stage.ask("member", "GET", path).json()["floatingip"]
    things["floating_address"] = leads["floating_ip_address"]
    things["spare_network"] = make("network")
    spare = {"cidr": "10.9.0.0/24", "ip_version": 4}
    things["spare_subnet"] = make("subnet", network_id=things["spare_network"], **spare)
    things["empty_network"] = make("network")
    things["spare_router"] = make("router")
    things["plain_router"] = make("router")
    plain = {"cidr": "10.8.0.0/24", "ip_version": 4}
    things["plain_subnet"] = make("subnet", network_id=things["spare_network"], **plain)
    interface = f"/network/v2.0/routers/{things['plain_router']}/add_router_interface"
    answer = stage.ask("member", "PUT", interface, {"subnet_id": things["plain_subnet"]})
    assert answer.status_code == 200, answer.text
    own = stage.make("/network/v2.0/networks", {"network": {"name": "theirs"}}, "stranger")
    things["network_theirs"] = own["id"]
    for kind in TAGGED:
        path = f"/network/v2.0/{kind}/{things[kind]}/tags/owners-own"
        assert stage.ask("member", "PUT", path).status_code == 201
        stage.private.add(things[kind])
    limits = f"/network/v2.0/quotas/{things['projects']}"
    stage.ask("admin", "PUT", limits, {"quota": {"network": 77}})


def _servers(stage: Stage) -> None:
    things = stage.things
    key = {"name": "owners-own", "type": "ssh", "public_key": things["public_key"]}
    stage.make("/compute/v2.1/os-keypairs", {"keypair": key})
    wish = {
        "name": "owners-own",
        "imageRef": things["images"],
        "flavorRef": things["flavors"],
        "networks": "none",
        "key_name": "owners-own",
        "metadata": {"colour": "owners-own"},
        "tags": ["owners-own"],
    }
    with_port = wish | {"networks": [{"port": things["ports"]}]}
    things["servers"] = stage.make("/compute/v2.1/servers", {"server": with_port})["id"]
    for name in STATES:
        things[name] = stage.make("/compute/v2.1/servers", {"server": wish})["id"]
    stage.converge()
    for name, (action, _) in STATES.items():
        path = f"/compute/v2.1/servers/{things[name]}/action"
        assert stage.ask("member", "POST", path, {action: None}).status_code == 202
    stage.converge()
    statuses = {"servers": "ACTIVE"} | {name: status for name, (_, status) in STATES.items()}
    for name, status in statuses.items():
        stage.private.add(things[name])
        shown = stage.ask("member", "GET", f"/compute/v2.1/servers/{things[name]}").json()
        assert shown["server"]["status"] == status, shown
    path = f"/compute/v2.1/servers/{things['servers']}/os-instance-actions"
    things["os-instance-actions"] = stage.ask("member", "GET", path).json()["instanceActions"][0][
        "request_id"
    ]
    limits = f"/compute/v2.1/os-quota-sets/{things['projects']}"
    stage.ask("admin", "PUT", limits, {"quota_set": {"instances": 77}})


def _running_job(stage: Stage) -> None:
    jobs = stage.ask("admin", "GET", "/v1/jobs").json()["jobs"]
    stage.things |= {"jobs": jobs[0]["id"], "running_job": new_id()}
    with stage.service.store.write() as session:
        session.add(
            Job(
                id=stage.things["running_job"],
                kind="host",
                name="hv1",
                lease="elsewhere:1",
                playbook="converge/host.yml",
                limit="hv1",
                scope="changes",
                started_at=utc_now(),
                sealed=Seal(stage.service.config.secret_file.read_bytes()).close({}),
            )
        )
