"""What Tempest's network tests ask of a cloud, request by request (tempest.api.network)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.network.neutron import Neutron, neutron, outside
from tests.support.service import Service

UNKNOWN = "5ad01ed0-0e6e-4c5d-8194-232801b15c72"


@pytest.fixture
def mine(service: Service) -> Neutron:
    return neutron(service)


def _rule(mine: Neutron, group_id: str, **fields: Any) -> dict[str, Any]:
    wish = {"security_group_id": group_id, "direction": "ingress", "protocol": "tcp", **fields}
    return {"security_group_rule": wish}


def test_a_network_is_active_at_once_and_goes_with_its_subnets(mine: Neutron) -> None:
    network, subnet = mine.network()
    assert mine.show("network", network)["status"] == "ACTIVE"
    mine.update("network", network, name="New_network")
    mine.delete("network", network)
    mine.refused(404, "GET", f"/subnets/{subnet}")
    mine.refused(404, "GET", f"/networks/{network}")


@pytest.mark.parametrize("kind", ["network", "subnet", "port"])
def test_fields_choose_what_is_shown(mine: Neutron, kind: str) -> None:
    network, subnet = mine.network()
    port = mine.create("port", network_id=network)["id"]
    id_ = {"network": network, "subnet": subnet, "port": port}[kind]
    fields = ["id", "project_id"]
    assert sorted(mine.show(kind, id_, fields=fields)) == fields
    assert fields in [sorted(row) for row in mine.list(kind, fields=fields)]
    assert {tuple(sorted(row)) for row in mine.list(kind, fields=fields)} == {tuple(fields)}


def test_external_networks_are_seen_and_their_subnets_as_the_extensions_say(
    service: Service, mine: Neutron
) -> None:
    network, _ = outside(service)
    mine.network()
    seen = mine.list("network", **{"router:external": True})
    assert network in [row["id"] for row in seen]
    assert all(row["router:external"] for row in seen)
    aliases = {entry["alias"] for entry in mine.list("extension")}
    subnets = mine.list("subnet", network_id=network)
    assert bool(subnets) == ("subnet-external-network" in aliases)


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (-16, 80, "Invalid value for port -16"),
        (80, 79, "port_range_min must be <= port_range_max"),
        (80, 65536, "Invalid value for port 65536"),
        (None, 6, "port_range_min must be <= port_range_max"),
        (-16, 65536, "Invalid value for port"),
    ],
)
def test_bad_ports_of_a_rule_are_named(
    mine: Neutron, low: int | None, high: int, message: str
) -> None:
    group = mine.create("security_group", name="web")["id"]
    wish = _rule(mine, group, port_range_min=low, port_range_max=high)
    assert message in mine.refused(400, "POST", "/security-group-rules", wish)["message"]


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        (1, 256, "Invalid value for ICMP code"),
        (-1, 25, "Invalid value"),
        (None, 6, "ICMP type (port-range-min) is missing"),
        (300, 1, "Invalid value for ICMP type"),
    ],
)
def test_bad_icmp_types_are_named(mine: Neutron, kind: int | None, code: int, message: str) -> None:
    group = mine.create("security_group", name="web")["id"]
    wish = _rule(mine, group, protocol="icmp", port_range_min=kind, port_range_max=code)
    assert message in mine.refused(400, "POST", "/security-group-rules", wish)["message"]


@pytest.mark.parametrize("prefix", ["192.168.1./24", "192.168.1.1/33", "bad_prefix", "256"])
def test_a_bad_prefix_is_refused(mine: Neutron, prefix: str) -> None:
    group = mine.create("security_group", name="web")["id"]
    mine.refused(400, "POST", "/security-group-rules", _rule(mine, group, remote_ip_prefix=prefix))


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (400, {"protocol": "bad_protocol_name"}),
        (400, {"ethertype": "bad_ethertype"}),
        (404, {"remote_group_id": "bad_group_id"}),
        (404, {"remote_group_id": UNKNOWN}),
        (404, {"security_group_id": UNKNOWN}),
    ],
)
def test_bad_parts_of_a_rule_are_refused(
    mine: Neutron, status: int, fields: dict[str, Any]
) -> None:
    group = mine.create("security_group", name="web")["id"]
    mine.refused(status, "POST", "/security-group-rules", _rule(mine, group, **fields))


def test_a_rule_may_not_name_a_prefix_and_a_group(mine: Neutron) -> None:
    one, other = (mine.create("security_group", name=name)["id"] for name in "ab")
    wish = _rule(mine, one, remote_ip_prefix="10.0.0.0/8", remote_group_id=other)
    mine.refused(400, "POST", "/security-group-rules", wish)


@pytest.mark.parametrize(
    ("ethertype", "prefix"), [("IPv6", "10.100.0.0/16"), ("IPv4", "2003::/48")]
)
def test_a_prefix_of_the_other_version_is_refused(
    mine: Neutron, ethertype: str, prefix: str
) -> None:
    group = mine.create("security_group", name="web")["id"]
    wish = _rule(mine, group, ethertype=ethertype, remote_ip_prefix=prefix)
    said = mine.refused(400, "POST", "/security-group-rules", wish)
    assert "Conflicting value ethertype" in said["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"protocol": "icmp", "port_range_min": 8, "port_range_max": 2},
        {"protocol": "icmp", "port_range_min": 8},
        {"protocol": "17"},
        {"protocol": "tcp", "port_range_min": 77, "port_range_max": 77},
        {"protocol": "tcp", "remote_ip_prefix": "10.100.0.0/16"},
    ],
)
def test_a_rule_is_shown_as_it_was_asked_for(mine: Neutron, fields: dict[str, Any]) -> None:
    group = mine.create("security_group", name="web")["id"]
    wish = _rule(mine, group, ethertype="IPv4", **fields)["security_group_rule"]
    rule = mine.create("security_group_rule", **wish)
    assert {name: rule[name] for name in wish} == wish
    wish = {**wish, "direction": "egress"}
    assert mine.create("security_group_rule", **wish)["direction"] == "egress"
    assert {row["id"] for row in mine.list("security_group_rule")} >= {rule["id"]}


def test_the_same_rule_twice_is_a_conflict(mine: Neutron) -> None:
    group = mine.create("security_group", name="web")["id"]
    wish = _rule(mine, group, port_range_min=66, port_range_max=67)
    mine.create("security_group_rule", **wish["security_group_rule"])
    mine.refused(409, "POST", "/security-group-rules", wish)


def test_there_is_one_default_group_and_no_other_may_be_called_so(mine: Neutron) -> None:
    assert [row["name"] for row in mine.list("security_group")] == ["default"]
    mine.refused(409, "POST", "/security-groups", {"security_group": {"name": "default"}})
    group = mine.create("security_group", name="web")["id"]
    rename = {"security_group": {"name": "default"}}
    mine.refused(409, "PUT", f"/security-groups/{group}", rename)


def test_a_group_takes_its_rules_along(mine: Neutron) -> None:
    group = mine.create("security_group", name="web")["id"]
    rule = mine.create("security_group_rule", **_rule(mine, group)["security_group_rule"])["id"]
    mine.delete("security_group", group)
    mine.refused(404, "GET", f"/security-group-rules/{rule}")
    assert rule not in [row["id"] for row in mine.list("security_group_rule")]


def test_a_router_is_made_shown_renamed_and_removed(service: Service, mine: Neutron) -> None:
    network, _ = outside(service)
    gateway = {"network_id": network}
    router = mine.create("router", name="r", admin_state_up=False, external_gateway_info=gateway)
    assert router["admin_state_up"] is False
    assert router["external_gateway_info"]["network_id"] == network
    assert mine.update("router", router["id"], name="updated")["name"] == "updated"
    assert mine.update("router", router["id"], admin_state_up=True)["admin_state_up"] is True
    assert [row["id"] for row in mine.list("router")] == [router["id"]]
    mine.delete("router", router["id"])
    mine.refused(404, "DELETE", f"/routers/{router['id']}")


@pytest.mark.parametrize("by", ["subnet_id", "port_id"])
def test_an_interface_is_a_port_of_the_router(mine: Neutron, by: str) -> None:
    network, subnet = mine.network()
    router = mine.create("router")["id"]
    port = mine.create("port", network_id=network)["id"] if by == "port_id" else ""
    made = mine.add(router, **{by: port or subnet})
    assert made["subnet_id"] == subnet
    assert made["port_id"] == (port or made["port_id"])
    assert mine.show("port", made["port_id"])["device_id"] == router
    assert [row["id"] for row in mine.list("port", device_id=router)] == [made["port_id"]]
    mine.refused(409, "DELETE", f"/routers/{router}")
    gone = mine.call("PUT", f"/routers/{router}/remove_router_interface", {by: port or subnet})
    assert gone.status_code == 200, gone.text
    mine.refused(404, "GET", f"/ports/{made['port_id']}")
    mine.delete("router", router)


def test_an_interface_keeps_its_subnet_when_its_addresses_are_said_again(mine: Neutron) -> None:
    _, subnet = mine.network()
    made = mine.add(mine.create("router")["id"], subnet_id=subnet)
    port = mine.update("port", made["port_id"], fixed_ips=[{"subnet_id": subnet}])
    assert port["fixed_ips"][0]["subnet_id"] == subnet


def test_overlapping_subnets_do_not_meet_in_a_router(mine: Neutron) -> None:
    router = mine.create("router")["id"]
    mine.add(router, subnet_id=mine.network("10.1.0.0/24")[1])
    wish = {"subnet_id": mine.network("10.1.0.0/25")[1]}
    mine.refused(400, "PUT", f"/routers/{router}/add_router_interface", wish)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_router_that_is_not_there_is_not_found(mine: Neutron, method: str) -> None:
    body = {"router": {"name": "x"}} if method == "PUT" else None
    mine.refused(404, method, "/routers/non_exist_router", body)


def test_only_an_external_network_is_a_way_outside(mine: Neutron) -> None:
    network, _ = mine.network()
    router = mine.create("router")["id"]
    for status, id_ in ((400, network), (404, UNKNOWN)):
        wish = {"router": {"external_gateway_info": {"network_id": id_}}}
        mine.refused(status, "PUT", f"/routers/{router}", wish)


def test_extra_routes_come_and_go(mine: Neutron) -> None:
    router = mine.create("router")["id"]
    routes = []
    for number in range(1, 4):
        mine.add(router, subnet_id=mine.network(f"10.{number}.0.0/24")[1])
        routes.append({"destination": f"10.{number}.0.0/24", "nexthop": f"10.{number}.0.2"})
    said = mine.update("router", router, routes=routes)["routes"]
    assert sorted(said, key=lambda r: r["destination"]) == routes
    assert mine.update("router", router, routes=None)["routes"] == []


def test_a_port_takes_a_second_address_and_gives_it_back(mine: Neutron) -> None:
    network, first = mine.network("10.0.0.0/24")
    second = mine.create("subnet", network_id=network, cidr="10.0.1.0/24", ip_version=4)["id"]
    both = [{"subnet_id": first}, {"subnet_id": second}]
    port = mine.create("port", network_id=network, fixed_ips=both)
    assert [ip["subnet_id"] for ip in port["fixed_ips"]] == [first, second]
    alone = mine.update("port", port["id"], fixed_ips=both[:1])["fixed_ips"]
    assert alone == port["fixed_ips"][:1]
    assert len(mine.update("port", port["id"], fixed_ips=both)["fixed_ips"]) == 2


def test_a_mac_address_is_free_again_at_once(mine: Neutron) -> None:
    network, _ = mine.network()
    port = mine.create("port", network_id=network)
    mine.delete("port", port["id"])
    again = mine.create("port", network_id=network, mac_address=port["mac_address"])
    assert again["mac_address"] == port["mac_address"]


def test_a_created_port_is_shown_as_it_was_answered(mine: Neutron) -> None:
    network, _ = mine.network()
    port = mine.create("port", network_id=network, name="p")
    assert mine.show("port", port["id"]) == port


def test_a_floating_ip_leads_from_port_to_port_and_nowhere(service: Service, mine: Neutron) -> None:
    external, _ = outside(service)
    network, subnet = mine.network()
    router = mine.create("router", external_gateway_info={"network_id": external})["id"]
    mine.add(router, subnet_id=subnet)
    one, other = (mine.create("port", network_id=network) for _ in range(2))
    floating = mine.create("floatingip", floating_network_id=external, port_id=one["id"])
    assert floating["fixed_ip_address"] == one["fixed_ips"][0]["ip_address"]
    assert floating["router_id"] == router
    moved = mine.update("floatingip", floating["id"], port_id=other["id"])
    assert moved["fixed_ip_address"] == other["fixed_ips"][0]["ip_address"]
    mine.delete("port", other["id"])
    freed = mine.show("floatingip", floating["id"])
    assert (freed["port_id"], freed["fixed_ip_address"], freed["router_id"]) == (None,) * 3
    mine.delete("floatingip", floating["id"])


def test_a_floating_ip_moves_to_a_port_behind_another_router(
    service: Service, mine: Neutron
) -> None:
    external, _ = outside(service)
    ports, routers = [], []
    for number in range(2):
        network, subnet = mine.network(f"10.{number}.0.0/24")
        routers.append(mine.create("router", external_gateway_info={"network_id": external})["id"])
        mine.add(routers[-1], subnet_id=subnet)
        ports.append(mine.create("port", network_id=network)["id"])
    floating = mine.create("floatingip", floating_network_id=external, port_id=ports[0])
    assert mine.update("floatingip", floating["id"], port_id=ports[1])["router_id"] == routers[1]


def test_a_floating_ip_changes_between_the_addresses_of_one_port(
    service: Service, mine: Neutron
) -> None:
    external, _ = outside(service)
    network, subnet = mine.network()
    router = mine.create("router", external_gateway_info={"network_id": external})["id"]
    mine.add(router, subnet_id=subnet)
    addresses = ["10.0.0.50", "10.0.0.51"]
    wish = [{"ip_address": address} for address in addresses]
    port = mine.create("port", network_id=network, fixed_ips=wish)["id"]
    floating = mine.create(
        "floatingip", floating_network_id=external, port_id=port, fixed_ip_address=addresses[0]
    )
    changed = mine.update("floatingip", floating["id"], port_id=port, fixed_ip_address=addresses[1])
    assert changed["fixed_ip_address"] == addresses[1]


def test_a_floating_ip_needs_a_way_to_its_port(service: Service, mine: Neutron) -> None:
    external, _ = outside(service)
    network, subnet = mine.network()
    mine.add(mine.create("router")["id"], subnet_id=subnet)
    port = mine.create("port", network_id=network)["id"]
    wish = {"floating_network_id": external, "port_id": port}
    said = mine.refused(404, "POST", "/floatingips", {"floatingip": wish})
    assert said["type"] == "ExternalGatewayForFloatingIPNotFound"
    free = mine.create("floatingip", floating_network_id=external)["id"]
    mine.refused(404, "PUT", f"/floatingips/{free}", {"floatingip": {"port_id": port}})
    inner = {"floatingip": {"floating_network_id": network, "port_id": port}}
    mine.refused(400, "POST", "/floatingips", inner)
    assert len(mine.list("floatingip")) == 1


def test_the_version_document_names_the_resources(service: Service) -> None:
    client = service.client()
    (version,) = client.get("/network/").json()["versions"]
    assert {"id", "links", "status"} <= set(version)
    assert version["id"] == "v2.0"
    named = {entry["name"] for entry in client.get("/network/v2.0/").json()["resources"]}
    assert named >= {"network", "subnet", "port"}
