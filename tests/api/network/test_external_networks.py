"""External networks: outside by a physical network, or inside the cloud."""

from __future__ import annotations

from tests.api.network.machine import told
from tests.api.network.neutron import neutron, outside
from tests.support.service import Service, admin


def test_an_external_network_may_be_inside_the_cloud(service: Service) -> None:
    operator, mine = neutron(service, admin()), neutron(service)
    transit, _ = operator.network("100.64.0.0/24", router__external=True)
    assert operator.show("network", transit)["provider:network_type"] == "vxlan"
    router = mine.create("router", external_gateway_info={"network_id": transit})["id"]
    entry = told(service, "networks")[transit]
    assert (entry["external"], entry["physical_network"]) == (True, None)
    assert told(service, "routers")[router]["gateway"]["network_id"] == transit


def test_a_network_becomes_external_and_back(service: Service) -> None:
    operator = neutron(service, admin())
    network = operator.create("network")["id"]
    for external in (True, False):
        changed = operator.update("network", network, router__external=external)
        assert changed["router:external"] is external


def test_floating_ips_that_lead_nowhere_go_with_their_network(service: Service) -> None:
    operator, mine = neutron(service, admin()), neutron(service)
    external, subnet = outside(service)
    floating = mine.create("floatingip", floating_network_id=external)["id"]
    operator.delete("network", external)
    mine.refused(404, "GET", f"/floatingips/{floating}")
    operator.refused(404, "GET", f"/subnets/{subnet}")


def test_one_that_leads_somewhere_holds_its_network(service: Service) -> None:
    operator, mine = neutron(service, admin()), neutron(service)
    external, _ = outside(service)
    network, subnet = mine.network()
    router = mine.create("router", external_gateway_info={"network_id": external})["id"]
    mine.add(router, subnet_id=subnet)
    port = mine.create("port", network_id=network)["id"]
    mine.create("floatingip", floating_network_id=external, port_id=port)
    idle = mine.create("floatingip", floating_network_id=external)["id"]
    assert operator.refused(409, "DELETE", f"/networks/{external}")["type"] == "NetworkInUse"
    mine.show("floatingip", idle)
