"""The actions addFloatingIp and removeFloatingIp: the Networking API's own, named by addresses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.compute.cloud import LATEST, Cloud, network
from tests.support.service import tenant

NETWORK = "/network/v2.0"


def _make(client: Any, kind: str, **fields: Any) -> dict[str, Any]:
    answer = client.post(f"{NETWORK}/{kind}s", json={kind: fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()[kind]
    return made


@pytest.fixture
def outside(cloud: Cloud) -> str:
    """An external network, and a router between it and the servers' network."""
    flat = {"provider:network_type": "flat", "provider:physical_network": "physnet1"}
    outside = _make(cloud.operator, "network", **{"router:external": True}, **flat)["id"]
    _make(cloud.operator, "subnet", network_id=outside, cidr="203.0.113.0/24", ip_version=4)
    router = _make(cloud.client, "router", external_gateway_info={"network_id": outside})["id"]
    path = f"{NETWORK}/subnets?network_id={cloud.network_id}"
    (subnet,) = cloud.client.get(path).json()["subnets"]
    path = f"{NETWORK}/routers/{router}/add_router_interface"
    answer = cloud.client.put(path, json={"subnet_id": subnet["id"]})
    assert answer.status_code == 200, answer.text
    return outside


@pytest.fixture
def floating(cloud: Cloud, outside: str) -> dict[str, Any]:
    """A floating IP that leads nowhere."""
    return _make(cloud.client, "floatingip", floating_network_id=outside)


def _now(cloud: Cloud, floating: dict[str, Any]) -> tuple[Any, Any]:
    """Where it leads: server and address."""
    path = f"{NETWORK}/floatingips/{floating['id']}"
    shown = cloud.client.get(path).json()["floatingip"]
    return (shown["port_details"] or {}).get("device_id"), shown["fixed_ip_address"]


def _server(cloud: Cloud, **fields: Any) -> str:
    server_id = cloud.create(**fields)
    cloud.converge()
    return server_id


def test_it_leads_to_a_server_to_another_one_and_nowhere(
    cloud: Cloud, floating: dict[str, Any]
) -> None:
    address, one, two = floating["floating_ip_address"], _server(cloud), _server(cloud)
    assert cloud.act(one, "addFloatingIp", {"address": address}).status_code == 202
    fixed = cloud.show(one)["addresses"]["lan"][0]["addr"]
    assert _now(cloud, floating) == (one, fixed)
    assert address in [a["addr"] for a in cloud.show(one)["addresses"]["lan"]]
    fixed = cloud.show(two)["addresses"]["lan"][0]["addr"]
    wish = {"address": address, "fixed_address": fixed}
    assert cloud.act(two, "addFloatingIp", wish).status_code == 202
    assert _now(cloud, floating) == (two, fixed)
    refused = cloud.act(one, "removeFloatingIp", {"address": address})
    assert (refused.status_code, list(refused.json())) == (409, ["conflictingRequest"])
    assert cloud.act(two, "removeFloatingIp", {"address": address}).status_code == 202
    assert _now(cloud, floating) == (None, None)
    assert cloud.act(two, "removeFloatingIp", {"address": address}).status_code == 409


def test_what_it_cannot_lead_to_is_refused(cloud: Cloud, floating: dict[str, Any]) -> None:
    address, server = floating["floating_ip_address"], _server(cloud)
    far = network(cloud, "far", "10.9.0.0/24")
    unreachable, bare = _server(cloud, networks=[{"uuid": far}]), _server(cloud, networks="none")
    for where, wish, said in (
        (server, {"address": address, "fixed_address": "10.99.0.1"}, "fixed address not assigned"),
        (unreachable, {"address": address}, "not reachable from subnet"),
        (bare, {"address": address}, "No fixed IPs"),
        (server, {"address": "here"}, "address"),
        (server, {}, "address"),
        (server, {"address": address, "port": 1}, "port"),
    ):
        answer = cloud.act(where, "addFloatingIp", wish)
        assert (answer.status_code, said in answer.text) == (400, True), answer.text
    for action in ("addFloatingIp", "removeFloatingIp"):
        answer = cloud.act(server, action, {"address": "203.0.113.250"})
        assert (answer.status_code, "floating IP not found" in answer.text) == (404, True)
    assert _now(cloud, floating) == (None, None)


def test_a_taken_address_keeps_its_floating_ip(
    cloud: Cloud, outside: str, floating: dict[str, Any]
) -> None:
    server = _server(cloud)
    cloud.act(server, "addFloatingIp", {"address": floating["floating_ip_address"]})
    other = _make(cloud.client, "floatingip", floating_network_id=outside)
    answer = cloud.act(server, "addFloatingIp", {"address": other["floating_ip_address"]})
    assert (answer.status_code, "already has a floating IP" in answer.text) == (400, True)
    assert _now(cloud, other) == (None, None)
    assert _now(cloud, floating)[0] == server


def test_another_projects_floating_ip_is_none(cloud: Cloud, outside: str) -> None:
    theirs = _make(cloud.service.client(tenant()), "floatingip", floating_network_id=outside)
    wish = {"address": theirs["floating_ip_address"]}
    for action in ("addFloatingIp", "removeFloatingIp"):
        assert cloud.act(_server(cloud), action, wish).status_code == 404


def test_it_is_gone_with_microversion_2_44(cloud: Cloud, floating: dict[str, Any]) -> None:
    wish = {"address": floating["floating_ip_address"]}
    server = _server(cloud)
    for action in ("addFloatingIp", "removeFloatingIp"):
        answer = cloud.act(server, action, wish, **LATEST)
        assert (answer.status_code, "Networking API" in answer.text) == (404, True)
