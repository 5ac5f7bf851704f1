"""Tags on resources, limits of projects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.network.neutron import Neutron, neutron, outside
from tests.support.service import Service, admin, enrol, tenant


@pytest.fixture
def mine(service: Service) -> Neutron:
    return neutron(service)


def _everything(service: Service, mine: Neutron) -> dict[str, str]:
    external, _ = outside(service)
    network, subnet = mine.network()
    return {
        "networks": network,
        "subnets": subnet,
        "subnetpools": mine.create("subnetpool", prefixes=["10.0.0.0/8"])["id"],
        "ports": mine.create("port", network_id=network)["id"],
        "routers": mine.create("router")["id"],
        "floatingips": mine.create("floatingip", floating_network_id=external)["id"],
        "security-groups": mine.create("security_group", name="web")["id"],
    }


def test_every_kind_of_resource_has_tags(service: Service, mine: Neutron) -> None:
    for collection, id_ in _everything(service, mine).items():
        path = f"/{collection}/{id_}"
        assert mine.call("PUT", f"{path}/tags", {"tags": ["red", "blue"]}).json() == {
            "tags": ["blue", "red"]
        }
        assert mine.call("PUT", f"{path}/tags/green").status_code == 201
        assert mine.call("PUT", f"{path}/tags/green").status_code == 201
        assert mine.call("GET", f"{path}/tags/red").status_code == 204
        assert mine.call("DELETE", f"{path}/tags/red").status_code == 204
        assert mine.refused(404, "GET", f"{path}/tags/red")["type"] == "TagNotFound"
        shown: dict[str, Any] = mine.call("GET", path).json()
        (entry,) = shown.values()
        assert entry["tags"] == ["blue", "green"]
        assert mine.call("DELETE", f"{path}/tags").status_code == 204
        assert mine.call("GET", f"{path}/tags").json() == {"tags": []}


@pytest.mark.parametrize(
    "tags", [["a,b"], ["a/b"], [""], ["x" * 256], [f"t{n}" for n in range(51)]]
)
def test_bad_tags_are_refused(mine: Neutron, tags: list[str]) -> None:
    network, _ = mine.network(None)
    mine.refused(400, "PUT", f"/networks/{network}/tags", {"tags": tags})


def test_a_reader_and_a_stranger_change_no_tags(service: Service, mine: Neutron) -> None:
    network, _ = mine.network(None)
    path = f"/networks/{network}/tags/x"
    neutron(service).refused(404, "PUT", path)
    reader = neutron(service, tenant("reader", project_id=mine.caller.project_id))
    reader.refused(403, "PUT", path)
    assert mine.show("network", network)["tags"] == []


def test_limits_are_the_operators_and_hold(service: Service, mine: Neutron) -> None:
    enrol(service, mine.caller)
    operator = neutron(service, admin())
    project = str(mine.caller.project_id)
    defaults = mine.show("quota", project)
    assert defaults["network"] == 100
    mine.refused(403, "PUT", f"/quotas/{project}", {"quota": {"network": 1}})
    assert operator.update("quota", project, network=1)["network"] == 1
    mine.create("network")
    said = mine.refused(409, "POST", "/networks", {"network": {}})
    assert said["type"] == "OverQuota"
    assert "network: requested 1, used 1 of 1" in said["message"]
    low = {"quota": {"network": 0, "check_limit": True}}
    operator.refused(409, "PUT", f"/quotas/{project}", low)
    details = mine.call("GET", f"/quotas/{project}/details").json()["quota"]["network"]
    assert details == {"limit": 1, "used": 1, "reserved": 0}
    assert project in [row["project_id"] for row in operator.list("quota")]
    operator.delete("quota", project)
    assert project not in [row["project_id"] for row in operator.list("quota")]
    assert mine.show("quota", project) == defaults
    assert mine.call("GET", f"/quotas/{project}/default").json()["quota"] == defaults


def test_nobody_has_limits_who_is_not_there(service: Service) -> None:
    said = neutron(service, admin()).refused(
        404, "PUT", "/quotas/nobody", {"quota": {"network": 1}}
    )
    assert said["type"] == "ProjectNotFound"


def test_a_limit_of_another_project_is_not_shown(service: Service, mine: Neutron) -> None:
    neutron(service).refused(403, "GET", f"/quotas/{mine.caller.project_id}")


def test_rows_that_go_no_longer_count(service: Service, mine: Neutron) -> None:
    enrol(service, mine.caller)
    operator = neutron(service, admin())
    operator.update("quota", str(mine.caller.project_id), network=1, security_group_rule=4)
    mine.delete("network", mine.create("network")["id"])
    mine.create("network")
    mine.list("security_group")
    rule = {"direction": "ingress", "protocol": "tcp"}
    group = mine.list("security_group")[0]["id"]
    wish = {"security_group_rule": {"security_group_id": group, **rule}}
    mine.refused(409, "POST", "/security-group-rules", wish)
