"""A small cloud for tests of servers: hosts, flavor, image and network, made over the APIs.

``Cloud.document`` gives what a host is told, checked against the schema; ``Cloud.answer`` writes
back what a host would say to it. Nothing here knows how servers are stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from freehold.access import Caller
from freehold.compute import target_kinds
from freehold.jobs import Result, Scope, TargetKind
from freehold.store import utc_now
from tests.support.service import Service, admin, enrol, tenant

SCHEMAS = Path(__file__).resolve().parents[3] / "docs/reference/documents"
FACTS = {"vcpus": 8, "memory_mib": 16384, "disk_gib": 200, "virt_type": "qemu"}
LATEST = {"OpenStack-API-Version": "compute 2.96"}


def schema(name: str) -> dict[str, Any]:
    """One of the schemas of docs/reference/documents."""
    loaded: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return loaded


@dataclass
class Cloud:
    """A service with everything that a server needs."""

    service: Service
    caller: Caller
    flavor_id: str = ""
    image_id: str = ""
    network_id: str = ""

    @property
    def client(self) -> TestClient:
        """The tenant."""
        return self.service.client(self.caller)

    @property
    def operator(self) -> TestClient:
        """An operator."""
        return self.service.client(admin())

    @property
    def kind(self) -> TargetKind:
        """The target kind ``host``."""
        tokens = self.service.app.state.access.tokens
        (kind,) = target_kinds(self.service.config, tokens)
        return kind

    def wish(self, **fields: Any) -> dict[str, Any]:
        """A body of ``POST /servers``."""
        usual = {
            "name": "web",
            "imageRef": self.image_id,
            "flavorRef": self.flavor_id,
            "networks": [{"uuid": self.network_id}],
        }
        return {"server": {k: v for k, v in (usual | fields).items() if v is not ...}}

    def create(self, **fields: Any) -> str:
        """Make a server; returns its id."""
        answer = self.client.post("/compute/v2.1/servers", json=self.wish(**fields), headers=LATEST)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["server"]["id"])

    def show(self, server_id: str, version: str = "2.96", caller: Caller | None = None) -> Any:
        """The server as its tenant (or another caller) sees it."""
        client = self.service.client(caller or self.caller)
        answer = client.get(
            f"/compute/v2.1/servers/{server_id}",
            headers={"OpenStack-API-Version": f"compute {version}"},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["server"]

    def act(self, server_id: str, action: str, argument: Any = None, **headers: str) -> Any:
        """One action; returns the answer."""
        path = f"/compute/v2.1/servers/{server_id}/action"
        return self.client.post(path, json={action: argument}, headers=headers)

    def document(self, host: str = "hv1", scope: Scope = Scope.CHANGES) -> dict[str, Any] | None:
        """What the host is told now, proved to be of the form that hosts accept."""
        with self.service.store.read() as session:
            body = self.kind.document(session, host, scope, utc_now())
        if body is None:
            return None
        target = {"kind": "host", "name": host}
        document = {"format": 1, "target": target, "scope": str(scope), **body}
        jsonschema.validate(document, schema("host"))
        return document

    def entries(self, host: str = "hv1") -> dict[str, dict[str, Any]]:
        """The servers of the document by id."""
        document = self.document(host)
        return {entry["id"]: entry for entry in document["servers"]} if document else {}

    def answer(self, *entries: dict[str, Any], host: str = "hv1", **result: Any) -> bool:
        """Write a host's result back; returns whether everything is settled."""
        whole = {
            "format": 1,
            "target": {"kind": "host", "name": host},
            "check": False,
            "changed": True,
            "resources": list(entries),
            "unknown": [],
            "facts": {},
            **result,
        }
        jsonschema.validate(whole, schema("result"))
        with self.service.store.write() as session:
            return self.write(session, host, whole)

    def write(self, session: Session, host: str, result: dict[str, Any]) -> bool:
        """The same in an open transaction."""
        return self.kind.write_back(session, host, Result.model_validate(result), utc_now())

    def converge(self, host: str = "hv1") -> bool:
        """Do all that the host is told, as a host does when everything goes well."""
        document = self.document(host)
        if document is None:
            return True
        return self.answer(*(done(entry) for entry in document["servers"]), host=host)


def done(entry: dict[str, Any], outcome: str = "changed", **found: Any) -> dict[str, Any]:
    """The result entry of a document's server entry that went well; ``found`` differs if named."""
    if entry["state"] == "removed":
        seen: dict[str, Any] = {"power": "absent", "boot_serial": None, "ports": {}}
    else:
        seen = {
            "power": entry["power"],
            "boot_serial": entry["boot_serial"],
            "disk_serial": entry["disk_serial"],
            "ports": {port["id"]: {"bound": entry["power"] == "on"} for port in entry["ports"]},
        }
    return {
        "type": "server",
        "id": entry["id"],
        "generation": entry["generation"],
        "outcome": outcome,
        "found": seen | found,
        "steps": [],
        "error": None,
    }


def failed(entry: dict[str, Any], retry: str = "never", **found: Any) -> dict[str, Any]:
    """The result entry of one that did not."""
    error = {"code": "DOMAIN_FAILED", "message": "libvirt says no; look at hv1", "retry": retry}
    return done(entry, "failed", **found) | {"error": error}


def make(service: Service, *, hosts: int = 1, networked: bool = True, **facts: Any) -> Cloud:
    """Hosts ``hv1``…, a flavor (1 vCPU, 512 MiB, 1 GiB), an image, a tenant with a network."""
    cloud = Cloud(service, tenant())
    enrol(service, cloud.caller)
    operator = cloud.operator
    for number in range(1, hosts + 1):
        assert operator.put(f"/v1/hosts/hv{number}", json={}).status_code == 200
        cloud.answer(host=f"hv{number}", facts=FACTS | facts)
    flavor = {"name": "small", "vcpus": 1, "ram": 512, "disk": 1}
    answer = operator.post("/compute/v2.1/flavors", json={"flavor": flavor})
    cloud.flavor_id = answer.json()["flavor"]["id"]
    cloud.image_id = image(operator)
    if networked:
        cloud.network_id = network(cloud, "lan")
    return cloud


def network(cloud: Cloud, name: str, cidr: str = "10.1.0.0/24") -> str:
    """A network of the tenant with a subnet; returns its id."""
    answer = cloud.client.post("/network/v2.0/networks", json={"network": {"name": name}})
    assert answer.status_code == 201, answer.text
    network_id = str(answer.json()["network"]["id"])
    subnet = {"network_id": network_id, "cidr": cidr, "ip_version": 4}
    made = cloud.client.post("/network/v2.0/subnets", json={"subnet": subnet})
    assert made.status_code == 201, made.text
    return network_id


def image(operator: TestClient, data: bytes = b"\0" * 4096, disk_format: str = "raw") -> str:
    """A public image with this data; returns its id."""
    wish = {
        "name": "tiny",
        "disk_format": disk_format,
        "container_format": "bare",
        "visibility": "public",
    }
    answer = operator.post("/image/v2/images", json=wish)
    assert answer.status_code == 201, answer.text
    image_id = str(answer.json()["id"])
    sent = operator.put(
        f"/image/v2/images/{image_id}/file",
        content=data,
        headers={"Content-Type": "application/octet-stream"},
    )
    assert sent.status_code == 204, sent.text
    return image_id
