"""IPv6 subnets where guests make their own addresses, and who tells them to."""

from __future__ import annotations

import pytest

from tests.api.network.machine import converge, told
from tests.api.network.neutron import Neutron, neutron
from tests.support.service import Service, admin

MAC = "fa:16:3e:01:02:03"
OWN = "fd00::f816:3eff:fe01:203"
"""The address of that MAC in fd00::/64 (RFC 4291, appendix A)."""


@pytest.fixture
def mine(service: Service) -> Neutron:
    return neutron(service)


def _subnet(mine: Neutron, network: str, cidr: str = "fd00::/64", **modes: object) -> str:
    wish = {"network_id": network, "cidr": cidr, "ip_version": 6, **modes}
    return str(mine.create("subnet", **wish)["id"])


def _addresses(port: dict[str, object]) -> set[str]:
    fixed = port["fixed_ips"]
    assert isinstance(fixed, list)
    return {one["ip_address"] for one in fixed}


@pytest.mark.parametrize(
    "modes",
    [
        {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"},
        {"ipv6_ra_mode": "dhcpv6-stateless", "ipv6_address_mode": "dhcpv6-stateless"},
        {"ipv6_address_mode": "slaac"},
        {"ipv6_ra_mode": "dhcpv6-stateless"},
    ],
)
def test_a_port_has_the_address_that_its_guest_makes(mine: Neutron, modes: dict[str, str]) -> None:
    network, _ = mine.network("10.0.0.0/24")
    subnet = _subnet(mine, network, **modes)
    shown = mine.show("subnet", subnet)
    assert {name: shown[name] for name in modes} == modes
    port = mine.create("port", network_id=network, mac_address=MAC)
    assert _addresses(port) == {"10.0.0.2", OWN}


def test_a_port_has_one_address_of_dhcp_and_one_of_each_prefix(mine: Neutron) -> None:
    network, _ = mine.network("fd00:1::/64")
    _subnet(mine, network, "fd00:2::/64", ipv6_address_mode="dhcpv6-stateful")
    for cidr in ("fd00:3::/64", "fd00:4::/64"):
        _subnet(mine, network, cidr, ipv6_address_mode="slaac", ipv6_ra_mode="slaac")
    port = mine.create("port", network_id=network, mac_address=MAC)
    own = "f816:3eff:fe01:203"
    assert _addresses(port) == {"fd00:1::2", f"fd00:3::{own}", f"fd00:4::{own}"}


def test_guests_take_up_a_new_prefix_and_lose_one_that_goes(
    mine: Neutron, service: Service
) -> None:
    network, _ = mine.network("10.0.0.0/24")
    port = mine.create("port", network_id=network, mac_address=MAC)["id"]
    bare = mine.create("port", network_id=network, fixed_ips=[])["id"]
    converge(service)
    subnet = _subnet(mine, network, ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
    assert _addresses(mine.show("port", port)) == {"10.0.0.2", OWN}
    assert _addresses(mine.show("port", bare)) == set()
    assert list(told(service, "ports")) == [port]
    converge(service)
    mine.delete("subnet", subnet)
    assert _addresses(mine.show("port", port)) == {"10.0.0.2"}
    assert list(told(service, "ports")) == [port]


def test_a_prefix_that_a_router_advertises_stays_while_it_does(mine: Neutron) -> None:
    network, _ = mine.network("10.0.0.0/24")
    subnet = _subnet(mine, network, ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
    router = mine.create("router")["id"]
    port = mine.show("port", mine.add(router, subnet_id=subnet)["port_id"])
    assert _addresses(port) == {"fd00::1"}
    assert mine.refused(409, "DELETE", f"/subnets/{subnet}")["type"] == "SubnetInUse"


def test_with_another_mac_the_guest_makes_another_address(mine: Neutron, service: Service) -> None:
    network, _ = mine.network("10.0.0.0/24")
    _subnet(mine, network, ipv6_address_mode="slaac")
    port = mine.create("port", network_id=network)["id"]
    changed = neutron(service, admin()).update("port", port, mac_address=MAC)
    assert _addresses(changed) == {"10.0.0.2", OWN}


def test_other_addresses_come_and_go_beside_the_guests_own(mine: Neutron) -> None:
    network, v4 = mine.network("10.0.0.0/24")
    subnet = _subnet(mine, network, ipv6_address_mode="slaac")
    port = mine.create("port", network_id=network, mac_address=MAC)["id"]
    fixed = [{"subnet_id": v4, "ip_address": "10.0.0.9"}]
    assert _addresses(mine.update("port", port, fixed_ips=fixed)) == {"10.0.0.9", OWN}
    again = [*fixed, {"subnet_id": subnet, "ip_address": OWN}]
    assert _addresses(mine.update("port", port, fixed_ips=again)) == {"10.0.0.9", OWN}
    assert mine.show("port", port)["revision_number"] == 2
    assert _addresses(mine.update("port", port, fixed_ips=[])) == set()


def test_nobody_chooses_an_address_where_guests_make_them(mine: Neutron) -> None:
    network, _ = mine.network("10.0.0.0/24")
    subnet = _subnet(mine, network, ipv6_address_mode="slaac")
    wish = {"network_id": network, "fixed_ips": [{"subnet_id": subnet, "ip_address": "fd00::9"}]}
    said = mine.refused(400, "POST", "/ports", {"port": wish})
    assert "automatic addresses" in said["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"},
        {"ipv6_ra_mode": "slaac", "enable_dhcp": False},
        {"ipv6_address_mode": "slaac", "cidr": "fd00::/80"},
        {"ipv6_address_mode": "magic"},
        {"ipv6_address_mode": "slaac", "cidr": "10.1.0.0/24", "ip_version": 4},
    ],
)
def test_modes_that_cannot_be_are_refused(mine: Neutron, fields: dict[str, object]) -> None:
    network, _ = mine.network("10.0.0.0/24")
    wish = {"network_id": network, "cidr": "fd00::/64", "ip_version": 6, **fields}
    mine.refused(400, "POST", "/subnets", {"subnet": wish})


def test_modes_are_for_good(mine: Neutron) -> None:
    network, _ = mine.network(None)
    subnet = _subnet(mine, network, ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
    for change in ({"ipv6_ra_mode": "dhcpv6-stateless"}, {"enable_dhcp": False}):
        mine.refused(400, "PUT", f"/subnets/{subnet}", {"subnet": change})


@pytest.mark.parametrize(
    ("modes", "server", "router"),
    [
        ({}, "dhcpv6-stateful", "dhcpv6-stateful"),
        ({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}, "slaac", "slaac"),
        ({"ipv6_address_mode": "dhcpv6-stateless"}, "dhcpv6-stateless", None),
    ],
)
def test_the_machine_learns_who_tells_guests_what(
    mine: Neutron, service: Service, modes: dict[str, str], server: str, router: str | None
) -> None:
    network, _ = mine.network(None)
    subnet = _subnet(mine, network, **modes)
    id_ = mine.create("router")["id"]
    mine.add(id_, subnet_id=subnet)
    assert told(service, "subnets")[subnet]["address_mode"] == server
    interfaces = told(service, "routers")[id_]["interfaces"]
    assert [one["ra_mode"] for one in interfaces] == [router]
