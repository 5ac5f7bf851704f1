"""A tenant can neither see, name nor use another tenant's things (invariant 11)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.network.neutron import Neutron, neutron, outside
from tests.support.service import Service, admin, tenant

UNKNOWN = "5ad01ed0-0e6e-4c5d-8194-232801b15c72"
KINDS = (
    "network",
    "subnet",
    "port",
    "router",
    "floatingip",
    "security_group",
    "security_group_rule",
)


def _everything(service: Service, mine: Neutron) -> dict[str, str]:
    """One of each kind; ids by kind, and the external network's."""
    external, _ = outside(service)
    network, subnet = mine.network()
    group = mine.create("security_group", name="web")
    return {
        "network": network,
        "subnet": subnet,
        "port": mine.create("port", network_id=network)["id"],
        "router": mine.create("router")["id"],
        "floatingip": mine.create("floatingip", floating_network_id=external)["id"],
        "security_group": group["id"],
        "security_group_rule": group["security_group_rules"][0]["id"],
        "external": external,
    }


def _collection(kind: str) -> str:
    return f"/{kind.replace('_', '-')}s"


def test_another_tenants_id_is_an_unknown_id(service: Service) -> None:
    theirs = _everything(service, neutron(service))
    mine = neutron(service)
    for kind in KINDS:
        for method, suffix, body in (
            ("GET", "", None),
            ("PUT", "", {kind: {"description": "mine now"}}),
            ("DELETE", "", None),
            ("GET", "/tags", None),
            ("PUT", "/tags", {"tags": ["mine"]}),
        ):
            answers = [
                mine.call(method, f"{_collection(kind)}/{id_}{suffix}", body)
                for id_ in (theirs[kind], UNKNOWN)
            ]
            told = [one.text.replace(theirs[kind], UNKNOWN) for one in answers]
            assert told[0] == told[1], (kind, method)
            assert [one.status_code for one in answers] in ([404, 404], [405, 405]), (kind, method)


def test_lists_show_ones_own_only(service: Service) -> None:
    theirs = _everything(service, neutron(service))
    mine = neutron(service)
    for kind in KINDS:
        assert theirs[kind] not in [row["id"] for row in mine.list(kind)], kind
        assert mine.list(kind, id=theirs[kind]) == []
    operator = neutron(service, admin())
    for kind in KINDS:
        assert theirs[kind] in [row["id"] for row in operator.list(kind)], kind


def _uses(mine: Neutron, theirs: dict[str, str], own: dict[str, str]) -> list[Any]:
    """Requests that name a thing of another tenant in their body: method, path, body, thing."""
    rule = {"security_group_id": own["security_group"], "direction": "ingress"}
    floating = {"floating_network_id": theirs["external"]}
    interface = f"/routers/{own['router']}/add_router_interface"
    return [
        ("POST", "/ports", {"port": {"network_id": "{network}"}}),
        (
            "POST",
            "/subnets",
            {"subnet": {"network_id": "{network}", "cidr": "10.1.0.0/24", "ip_version": 4}},
        ),
        (
            "POST",
            "/ports",
            {"port": {"network_id": own["network"], "security_groups": ["{security_group}"]}},
        ),
        (
            "POST",
            "/security-group-rules",
            {"security_group_rule": rule | {"remote_group_id": "{security_group}"}},
        ),
        (
            "POST",
            "/security-group-rules",
            {"security_group_rule": rule | {"security_group_id": "{security_group}"}},
        ),
        ("PUT", interface, {"subnet_id": "{subnet}"}),
        ("PUT", interface, {"port_id": "{port}"}),
        ("POST", "/floatingips", {"floatingip": floating | {"port_id": "{port}"}}),
        (
            "PUT",
            f"/routers/{own['router']}",
            {"router": {"external_gateway_info": {"network_id": "{network}"}}},
        ),
    ]


def _with(value: Any, ids: dict[str, str]) -> Any:
    """``{kind}`` replaced by an id, anywhere in a body."""
    if isinstance(value, dict):
        return {name: _with(part, ids) for name, part in value.items()}
    if isinstance(value, list):
        return [_with(part, ids) for part in value]
    return value.format(**ids) if isinstance(value, str) else value


def test_another_tenants_things_cannot_be_used(service: Service) -> None:
    theirs = _everything(service, neutron(service))
    mine = neutron(service)
    network, _ = mine.network("10.9.0.0/24")
    own = {
        "network": network,
        "router": mine.create("router")["id"],
        "security_group": mine.create("security_group", name="own")["id"],
    }
    for method, path, body in _uses(mine, theirs, own):
        answers = [
            mine.call(method, path, _with(body, ids))
            for ids in (theirs, dict.fromkeys(theirs, UNKNOWN))
        ]
        assert [one.status_code for one in answers] == [404, 404], (path, body, answers[0].text)
        told = [one.text for one in answers]
        for kind in KINDS:
            told[0] = told[0].replace(theirs[kind], UNKNOWN)
        assert told[0] == told[1], (path, body)
    assert {port["network_id"] for port in mine.list("port")} <= {network}


def test_an_external_network_is_seen_but_is_not_ones_own(service: Service) -> None:
    external, subnet = outside(service)
    mine = neutron(service)
    assert mine.show("network", external)["router:external"] is True
    mine.refused(403, "POST", "/ports", {"port": {"network_id": external}})
    mine.refused(403, "PUT", f"/networks/{external}", {"network": {"name": "mine"}})
    mine.refused(403, "DELETE", f"/networks/{external}")
    mine.refused(403, "DELETE", f"/subnets/{subnet}")
    router = mine.create("router")["id"]
    mine.refused(400, "PUT", f"/routers/{router}/add_router_interface", {"subnet_id": subnet})


def test_a_gateways_port_is_not_seen_by_its_tenant(service: Service) -> None:
    external, _ = outside(service)
    mine = neutron(service)
    router = mine.create("router", external_gateway_info={"network_id": external})["id"]
    assert mine.list("port", device_id=router) == []
    assert len(neutron(service, admin()).list("port", device_id=router)) == 1


def test_a_shared_network_is_used_and_stays_its_owners(service: Service) -> None:
    operator, mine = neutron(service, admin()), neutron(service)
    network, _ = operator.network("10.5.0.0/24", shared=True)
    port = mine.create("port", network_id=network)
    assert port["project_id"] == mine.caller.project_id
    mine.refused(403, "PUT", f"/networks/{network}", {"network": {"name": "mine"}})
    for wish in (
        {"mac_address": "fa:16:3e:00:00:01"},
        {"port_security_enabled": False, "security_groups": []},
        {"allowed_address_pairs": [{"ip_address": "10.5.0.1"}]},
        {"device_owner": "network:dhcp"},
    ):
        mine.refused(403, "POST", "/ports", {"port": {"network_id": network, **wish}})
    pairs = {"allowed_address_pairs": [{"ip_address": "10.5.0.1"}]}
    mine.refused(403, "PUT", f"/ports/{port['id']}", {"port": pairs})
    operator.refused(409, "PUT", f"/networks/{network}", {"network": {"shared": False}})


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("network", {"shared": True}),
        ("network", {"router:external": True}),
        ("network", {"provider:network_type": "flat", "provider:physical_network": "physnet1"}),
        ("network", {"project_id": "0" * 32}),
        ("router", {"tenant_id": "0" * 32}),
        ("security_group", {"project_id": "0" * 32}),
    ],
)
def test_what_is_the_operators_is_refused_to_a_tenant(
    service: Service, kind: str, fields: dict[str, Any]
) -> None:
    mine = neutron(service)
    assert mine.refused(403, "POST", _collection(kind), {kind: fields})["type"] == (
        "PolicyNotAuthorized"
    )
    assert mine.list(kind, name="", project_id=mine.caller.project_id) == []


@pytest.mark.parametrize("kind", ["network", "port", "router", "subnet", "security_group"])
def test_nobody_gives_a_thing_to_another_project(service: Service, kind: str) -> None:
    mine = neutron(service)
    theirs = _everything(service, mine)
    for name in ("project_id", "tenant_id"):
        body = {kind: {name: "0" * 32}}
        mine.refused(400, "PUT", f"{_collection(kind)}/{theirs[kind]}", body)
    assert mine.show(kind, theirs[kind])["project_id"] == mine.caller.project_id


def test_a_reader_reads_and_changes_nothing(service: Service) -> None:
    mine = neutron(service)
    theirs = _everything(service, mine)
    reader = neutron(service, tenant("reader", project_id=mine.caller.project_id))
    for kind in KINDS:
        assert reader.show(kind, theirs[kind])["id"] == theirs[kind]
        reader.refused(403, "DELETE", f"{_collection(kind)}/{theirs[kind]}")
        if kind != "security_group_rule":
            body = {kind: {"description": "x"}}
            reader.refused(403, "PUT", f"{_collection(kind)}/{theirs[kind]}", body)
            reader.refused(403, "PUT", f"{_collection(kind)}/{theirs[kind]}/tags", {"tags": ["x"]})
    reader.refused(403, "POST", "/networks", {"network": {}})
    reader.refused(403, "POST", "/ports", {"port": {"network_id": theirs["network"]}})


def test_where_a_port_is_is_the_operators_to_see_and_to_say(service: Service) -> None:
    mine = neutron(service)
    network, _ = mine.network()
    port = mine.create("port", network_id=network)
    assert not {"binding:host_id", "binding:profile"} & set(port)
    body = {"port": {"binding:host_id": "hv1"}}
    mine.refused(403, "PUT", f"/ports/{port['id']}", body)
    operator = neutron(service, admin())
    assert operator.update("port", port["id"], binding__host_id="hv1")["binding:host_id"] == "hv1"
    assert mine.list("port", **{"binding:host_id": "hv9"}) == mine.list("port")


def test_nobody_without_a_token_is_served(service: Service) -> None:
    client = service.client()
    for kind in KINDS:
        assert client.get(f"/network/v2.0{_collection(kind)}").status_code == 401
