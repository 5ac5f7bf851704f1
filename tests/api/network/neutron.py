"""The Networking API as a test speaks it: one caller, raw HTTP, answers checked at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

from starlette.testclient import TestClient

from freehold.access import Caller
from tests.support.service import Service, admin, tenant

PREFIX = "/network/v2.0"


@dataclass
class Neutron:
    """One caller of the API; ``create`` and its like insist on success."""

    client: TestClient
    caller: Caller

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """The bare answer."""
        return self.client.request(method, PREFIX + path, json=body, params=params)

    def create(self, kind: str, **fields: Any) -> dict[str, Any]:
        """POST one resource; returns it."""
        answer = self.call("POST", f"/{_plural(kind)}", {kind: _named(fields)})
        assert answer.status_code == 201, answer.text
        shown: dict[str, Any] = answer.json()[kind]
        return shown

    def show(self, kind: str, id_: str, **params: Any) -> dict[str, Any]:
        """GET one resource."""
        answer = self.call("GET", f"/{_plural(kind)}/{id_}", **params)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()[kind]
        return shown

    def update(self, kind: str, id_: str, **fields: Any) -> dict[str, Any]:
        """PUT one resource; returns it."""
        answer = self.call("PUT", f"/{_plural(kind)}/{id_}", {kind: _named(fields)})
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()[kind]
        return shown

    def delete(self, kind: str, id_: str) -> None:
        """DELETE one resource."""
        answer = self.call("DELETE", f"/{_plural(kind)}/{id_}")
        assert answer.status_code == 204, answer.text

    def list(self, kind: str, **params: Any) -> list[dict[str, Any]]:
        """GET a collection."""
        answer = self.call("GET", f"/{_plural(kind)}", **params)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()[f"{kind}s"]
        return rows

    def refused(self, status: int, method: str, path: str, body: Any = None) -> dict[str, str]:
        """A request that must fail with this status; returns the fault."""
        answer = self.call(method, path, body)
        assert answer.status_code == status, answer.text
        fault: dict[str, str] = answer.json()["NeutronError"]
        assert set(fault) == {"type", "message", "detail"}
        return fault

    def network(self, cidr: str | None = "10.0.0.0/24", **fields: Any) -> tuple[str, str]:
        """A network with a subnet; their ids."""
        network = self.create("network", **fields)["id"]
        if cidr is None:
            return network, ""
        version = 6 if ":" in cidr else 4
        subnet = self.create("subnet", network_id=network, cidr=cidr, ip_version=version)
        return network, subnet["id"]

    def add(self, router_id: str, **by: str) -> dict[str, Any]:
        """Add a router interface."""
        answer = self.call("PUT", f"/routers/{router_id}/add_router_interface", by)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown


def _plural(kind: str) -> str:
    return f"{kind.replace('_', '-')}s"


def _named(fields: dict[str, Any]) -> dict[str, Any]:
    """``router__external`` stands for ``router:external``, which no Python name can say."""
    return {name.replace("__", ":"): value for name, value in fields.items()}


def neutron(service: Service, caller: Caller | None = None) -> Neutron:
    """The API as a new tenant, or as a caller that is there."""
    who = caller or tenant()
    return Neutron(service.client(who), who)


_vlans = count(100)


def outside(service: Service, cidr: str = "203.0.113.0/24") -> tuple[str, str]:
    """An external network of the operator's with a subnet; their ids. Each has a VLAN of its own,
    as a physical network carries one flat network only.
    """
    return neutron(service, admin()).network(
        cidr,
        name="outside",
        router__external=True,
        provider__network_type="vlan",
        provider__physical_network="physnet1",
        provider__segmentation_id=next(_vlans),
    )
