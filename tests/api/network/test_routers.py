"""Routers, their gateways and interfaces, and floating IPs: what goes and what is refused."""

from __future__ import annotations

import pytest

from tests.api.network.neutron import Neutron, neutron, outside
from tests.support.service import Service, admin


@pytest.fixture
def mine(service: Service) -> Neutron:
    return neutron(service)


def _way_out(mine: Neutron, external: str) -> tuple[str, str, str]:
    """A network, its subnet and a router that leads outside."""
    network, subnet = mine.network()
    router = mine.create("router", external_gateway_info={"network_id": external})["id"]
    mine.add(router, subnet_id=subnet)
    return network, subnet, router


def test_a_gateway_has_an_address_outside_until_it_is_cleared(
    service: Service, mine: Neutron
) -> None:
    external, subnet = outside(service)
    _, _, router = _way_out(mine, external)
    info = mine.show("router", router)["external_gateway_info"]
    assert info == {
        "network_id": external,
        "enable_snat": True,
        "external_fixed_ips": [{"subnet_id": subnet, "ip_address": "203.0.113.2"}],
    }
    again = mine.update("router", router, external_gateway_info={"network_id": external})
    assert again["external_gateway_info"] == info
    for nothing in ({}, None):
        mine.update("router", router, external_gateway_info={"network_id": external})
        cleared = mine.update("router", router, external_gateway_info=nothing)
        assert cleared["external_gateway_info"] is None
    neutron(service, admin()).delete("network", external)


def test_only_the_operator_chooses_address_and_translation(service: Service, mine: Neutron) -> None:
    external, _ = outside(service)
    router = mine.create("router")["id"]
    for choice in (
        {"enable_snat": False},
        {"external_fixed_ips": [{"ip_address": "203.0.113.77"}]},
    ):
        wish = {"router": {"external_gateway_info": {"network_id": external, **choice}}}
        mine.refused(403, "PUT", f"/routers/{router}", wish)
        said = neutron(service, admin()).update(
            "router", router, external_gateway_info=wish["router"]["external_gateway_info"]
        )["external_gateway_info"]
    assert said["external_fixed_ips"][0]["ip_address"] == "203.0.113.77"
    # What a client read it may say again.
    mine.update("router", router, name="same", external_gateway_info=said)


def test_a_way_that_a_floating_ip_needs_stays(service: Service, mine: Neutron) -> None:
    external, _ = outside(service)
    network, subnet, router = _way_out(mine, external)
    port = mine.create("port", network_id=network)["id"]
    floating = mine.create("floatingip", floating_network_id=external, port_id=port)["id"]
    remove = f"/routers/{router}/remove_router_interface"
    said = mine.refused(409, "PUT", remove, {"subnet_id": subnet})
    assert said["type"] == "RouterInterfaceInUseByFloatingIP"
    clear = {"router": {"external_gateway_info": None}}
    said = mine.refused(409, "PUT", f"/routers/{router}", clear)
    assert said["type"] == "RouterExternalGatewayInUseByFloatingIp"
    mine.delete("floatingip", floating)
    assert mine.call("PUT", remove, {"subnet_id": subnet}).status_code == 200
    mine.delete("router", router)


def test_a_fixed_address_has_one_floating_ip_and_takes_it_along(
    service: Service, mine: Neutron
) -> None:
    external, _ = outside(service)
    network, _, _ = _way_out(mine, external)
    port = mine.create("port", network_id=network)
    floating = mine.create("floatingip", floating_network_id=external, port_id=port["id"])["id"]
    wish = {"floatingip": {"floating_network_id": external, "port_id": port["id"]}}
    assert mine.refused(409, "POST", "/floatingips", wish)["type"] == (
        "FloatingIPPortAlreadyAssociated"
    )
    mine.update("port", port["id"], fixed_ips=[{"ip_address": "10.0.0.99"}])
    assert mine.show("floatingip", floating)["port_id"] is None


def test_a_floating_ip_of_several_addresses_wants_one_named(
    service: Service, mine: Neutron
) -> None:
    external, _ = outside(service)
    network, _, _ = _way_out(mine, external)
    both = [{"ip_address": "10.0.0.50"}, {"ip_address": "10.0.0.51"}]
    port = mine.create("port", network_id=network, fixed_ips=both)["id"]
    for named, said in (
        ({}, "Must provide a specific IPv4 address"),
        ({"fixed_ip_address": "10.0.0.52"}, "does not have fixed ip"),
    ):
        wish = {"floatingip": {"floating_network_id": external, "port_id": port, **named}}
        assert said in mine.refused(400, "POST", "/floatingips", wish)["message"]
    assert mine.list("floatingip") == []


def test_a_refused_floating_ip_keeps_no_address(service: Service, mine: Neutron) -> None:
    external, _ = outside(service, "203.0.113.0/30")  # the gateway's address and one more
    network, _ = mine.network()
    port = mine.create("port", network_id=network)["id"]
    wish = {"floatingip": {"floating_network_id": external, "port_id": port}}
    mine.refused(404, "POST", "/floatingips", wish)
    floating = mine.create("floatingip", floating_network_id=external)
    assert floating["floating_ip_address"] == "203.0.113.2"
    wish = {"floatingip": {"floating_network_id": external}}
    said = mine.refused(409, "POST", "/floatingips", wish)
    assert said["type"] == "IpAddressGenerationFailure"
    mine.delete("floatingip", floating["id"])
    mine.create("floatingip", floating_network_id=external)


def test_a_routers_port_is_changed_through_its_router(service: Service, mine: Neutron) -> None:
    external, _ = outside(service)
    _, _, router = _way_out(mine, external)
    (port,) = mine.list("port", device_id=router)
    said = mine.refused(409, "DELETE", f"/ports/{port['id']}")
    assert said["type"] == "ServicePortInUse"
    for change in ({"device_id": ""}, {"device_owner": ""}):
        mine.refused(409, "PUT", f"/ports/{port['id']}", {"port": change})
    mine.refused(400, "PUT", f"/ports/{port['id']}", {"port": {"fixed_ips": []}})
    mine.update("port", port["id"], name="inside")


def test_a_port_that_says_it_is_a_routers_is_none(mine: Neutron) -> None:
    network, _ = mine.network()
    router = mine.create("router")["id"]
    wish = {"network_id": network, "device_id": router}
    owner = {"device_owner": "network:router_interface"}
    mine.refused(400, "POST", "/ports", {"port": {**wish, **owner}})
    port = mine.create("port", **wish)["id"]
    mine.refused(400, "PUT", f"/ports/{port}", {"port": owner})
    mine.delete("router", router)


def test_an_interface_that_is_not_there_is_not_removed(mine: Neutron) -> None:
    network, subnet = mine.network()
    port = mine.create("port", network_id=network)["id"]
    router = mine.create("router")["id"]
    path = f"/routers/{router}/remove_router_interface"
    for by, kind in (
        ({"subnet_id": subnet}, "RouterInterfaceNotFoundForSubnet"),
        ({"port_id": port}, "RouterInterfaceNotFound"),
    ):
        assert mine.refused(404, "PUT", path, by)["type"] == kind
    mine.refused(400, "PUT", path, {})
    add = f"/routers/{router}/add_router_interface"
    mine.refused(400, "PUT", add, {"subnet_id": subnet, "port_id": port})


def test_a_subnet_without_gateway_is_connected_by_a_port(mine: Neutron) -> None:
    network, _ = mine.network(None)
    subnet = mine.create(
        "subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4, gateway_ip=None
    )["id"]
    router = mine.create("router")["id"]
    mine.refused(400, "PUT", f"/routers/{router}/add_router_interface", {"subnet_id": subnet})
    port = mine.create("port", network_id=network)["id"]
    assert mine.add(router, port_id=port)["subnet_id"] == subnet


def test_the_gateways_address_can_be_taken_by_a_port_for_the_router(mine: Neutron) -> None:
    network, subnet = mine.network()
    wish = [{"ip_address": "10.0.0.1"}]
    port = mine.create("port", network_id=network, fixed_ips=wish)["id"]
    assert mine.add(mine.create("router")["id"], port_id=port)["subnet_id"] == subnet


def test_a_way_outside_is_a_gateway_and_no_interface(service: Service, mine: Neutron) -> None:
    _, subnet = outside(service)
    router = mine.create("router")["id"]
    mine.refused(400, "PUT", f"/routers/{router}/add_router_interface", {"subnet_id": subnet})


def test_a_routes_next_hop_is_a_neighbour_and_keeps_its_way(mine: Neutron) -> None:
    _, subnet = mine.network()
    router = mine.create("router")["id"]
    route = {"destination": "192.168.0.0/24", "nexthop": "10.0.0.9"}
    path, wish = f"/routers/{router}", {"router": {"routes": [route]}}
    assert mine.refused(400, "PUT", path, wish)["type"] == "InvalidRoutes"
    mine.add(router, subnet_id=subnet)
    itself = {"router": {"routes": [{**route, "nexthop": "10.0.0.1"}]}}
    assert mine.refused(400, "PUT", path, itself)["type"] == "InvalidRoutes"
    assert mine.update("router", router, routes=[route])["routes"] == [route]
    remove = f"{path}/remove_router_interface"
    said = mine.refused(409, "PUT", remove, {"subnet_id": subnet})
    assert said["type"] == "RouterInterfaceInUseByRoute"
    mine.update("router", router, routes=[])
    assert mine.call("PUT", remove, {"subnet_id": subnet}).status_code == 200
