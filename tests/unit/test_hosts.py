"""Hosts: registered once, changed on demand, for operators only."""

from __future__ import annotations

from freehold.jobs import Target
from tests.support.service import Service, admin, tenant


def test_a_host_is_registered_once_and_wants_its_target(service: Service) -> None:
    client = service.client(admin())
    first = client.put("/v1/hosts/hv1", json={})
    second = client.put("/v1/hosts/hv1", json={})
    assert (first.json()["changed"], second.json()["changed"]) == (True, False)
    with service.store.read() as session:
        target = session.get_one(Target, ("host", "hv1"))
        assert (target.wanted, target.done, target.look) == (1, 0, True)


def test_a_tenant_may_not_see_hosts(service: Service) -> None:
    answer = service.client(tenant()).get("/v1/hosts")
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "FORBIDDEN"


def test_nobody_sees_hosts_without_a_token(service: Service) -> None:
    assert service.client().get("/v1/hosts").status_code == 401


def test_an_unknown_field_is_refused(service: Service) -> None:
    answer = service.client(admin()).put("/v1/hosts/hv1", json={"colour": "red"})
    assert answer.status_code == 400
    assert "colour" in answer.json()["error"]["message"]
