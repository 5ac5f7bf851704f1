"""What guests and tenants are told of ports: network_data.json and addresses. Pure."""

from __future__ import annotations

from dataclasses import replace

from freehold.compute.config_drive import network_data
from freehold.compute.server_address import addresses
from freehold.network import FixedIpView, PortView, SubnetView

DHCP = SubnetView("s4", 4, "10.1.0.0/24", "10.1.0.1", True, ["9.9.9.9"], [])
STATIC = replace(
    DHCP,
    enable_dhcp=False,
    host_routes=[{"destination": "10.5.0.0/16", "nexthop": "10.1.0.9"}],
)
V6 = SubnetView("s6", 6, "2001:db8::/64", None, False, ["2001:db8::53", "9.9.9.9"], [])
PORT = PortView(
    id="3f0c3a63-9b5c-4f36-a6d9-7d6f8e1c2a11",
    mac_address="fa:16:3e:00:00:01",
    mtu=1450,
    status="ACTIVE",
    bound=True,
    network_id="n1",
    network_name="lan",
    fixed_ips=[FixedIpView("10.1.0.5", 4, DHCP)],
    floating_ips=["192.0.2.7"],
    security_groups=[],
)


def test_a_network_with_dhcp_tells_no_address() -> None:
    told = network_data([PORT])
    assert told["links"] == [
        {
            "id": "tap3f0c3a63-9b",
            "vif_id": PORT.id,
            "type": "ovs",
            "mtu": 1450,
            "ethernet_mac_address": "fa:16:3e:00:00:01",
        }
    ]
    assert told["networks"] == [
        {"id": "network0", "type": "ipv4_dhcp", "link": "tap3f0c3a63-9b", "network_id": "n1"}
    ]
    assert told["services"] == [{"type": "dns", "address": "9.9.9.9"}]


def test_without_dhcp_the_drive_tells_addresses_routes_and_name_servers() -> None:
    port = replace(
        PORT, fixed_ips=[FixedIpView("10.1.0.5", 4, STATIC), FixedIpView("2001:db8::5", 6, V6)]
    )
    told = network_data([port])
    first, second = told["networks"]
    assert (first["type"], first["ip_address"], first["netmask"]) == (
        "ipv4",
        "10.1.0.5",
        "255.255.255.0",
    )
    assert first["routes"] == [
        {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.1.0.1"},
        {"network": "10.5.0.0", "netmask": "255.255.0.0", "gateway": "10.1.0.9"},
    ]
    assert (second["id"], second["type"], second["routes"]) == ("network1", "ipv6", [])
    assert second["netmask"] == "ffff:ffff:ffff:ffff::"
    assert [service["address"] for service in told["services"]] == ["9.9.9.9", "2001:db8::53"]


def test_fixed_and_floating_addresses_stand_under_their_network() -> None:
    other = replace(PORT, network_name="wan", floating_ips=[])
    shown = addresses([PORT, other], extended=True)
    assert list(shown) == ["lan", "wan"]
    kinds = [(entry["addr"], entry["OS-EXT-IPS:type"]) for entry in shown["lan"]]
    assert kinds == [("10.1.0.5", "fixed"), ("192.0.2.7", "floating")]
    assert addresses([PORT], extended=False)["lan"][0] == {"version": 4, "addr": "10.1.0.5"}
