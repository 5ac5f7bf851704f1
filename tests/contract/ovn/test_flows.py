"""What ovn-northd makes of our rows: who reaches whom, traced through the real logical flows."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.ovn.servers import Northbound, ovsdb_server, process
from tests.support.network_documents import (
    GROUP,
    PORT_1,
    PORT_2,
    ROUTER_INSIDE,
    all_removed,
    cloud,
    document,
    egress_rules,
    port,
    removed,
    rule,
    security_group,
    subnet,
    uuid,
)

MAC = {PORT_1: "fa:16:3e:00:01:0b", PORT_2: "fa:16:3e:00:01:0c"}
IP = {PORT_1: "10.10.1.11", PORT_2: "10.10.1.12"}
SSH = rule(4, protocol="tcp", port_range_min=22, port_range_max=22)
PING = "icmp4.type == 8"


@dataclass
class Ovn(Northbound):
    """Both databases and ovn-northd between them."""

    southbound: str
    log: Path

    def command(self, *arguments: str) -> str:
        done = subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout

    def synced_flows(self) -> str:
        """All logical flows, once ovn-northd has seen the last change."""
        self.command("ovn-nbctl", f"--db={self.remote}", "--wait=sb", "--timeout=30", "sync")
        return self.command("ovn-sbctl", f"--db={self.southbound}", "lflow-list")

    def trace(self, sender: str, what: str, *options: str) -> str:
        """Where a packet ends: the last lines of ``ovn-trace``."""
        self.command("ovn-nbctl", f"--db={self.remote}", "--wait=sb", "--timeout=30", "sync")
        flow = f'inport == "{sender}" && eth.src == {MAC[sender]} && {what}'
        arguments = ("ovn-trace", f"--db={self.southbound}", "--ct=new", *options, flow)
        return self.command(*arguments)

    def reaches(self, sender: str, receiver: str, what: str, source: str | None = None) -> bool:
        flow = (
            f"eth.dst == {MAC[receiver]} && ip4.src == {source or IP[sender]} && "
            f"ip4.dst == {IP[receiver]} && ip.ttl == 64 && {what}"
        )
        return f'output("{receiver[:6]}")' in self.trace(sender, flow, "--minimal")

    def complaints(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [line for line in lines if "|ERR|" in line or "|WARN|" in line]


@pytest.fixture
def ovn(folder: Path) -> Iterator[Ovn]:
    with ovsdb_server(folder, "ovn-nb", "ovn-sb") as remotes:
        log, control = folder / "northd.log", folder / "northd.ctl"
        arguments = [
            "ovn-northd",
            f"--unixctl={control}",
            f"--ovnnb-db={remotes['ovn-nb']}",
            f"--ovnsb-db={remotes['ovn-sb']}",
        ]
        with process(arguments, log, control):
            ovn = Ovn(remotes["ovn-nb"], remotes["ovn-sb"], log)
            for host, address in (("hv1", "192.0.2.1"), ("hv2", "192.0.2.2")):
                ovn.command(
                    "ovn-sbctl", f"--db={ovn.southbound}", "chassis-add", host, "vxlan", address
                )
            yield ovn


def with_rules(*rules: dict[str, Any]) -> dict[str, Any]:
    return document(security_groups=[security_group(rules=[*egress_rules(), *rules])])


def test_rules_decide_who_reaches_whom(ovn: Ovn) -> None:
    ovn.converge(cloud())
    ovn.converge(with_rules(SSH))
    assert ovn.reaches(PORT_1, PORT_2, "tcp.dst == 22")
    assert not ovn.reaches(PORT_1, PORT_2, "tcp.dst == 23")
    assert not ovn.reaches(PORT_1, PORT_2, PING)

    ovn.converge(with_rules(rule(3, remote_group_id=GROUP)))
    assert ovn.reaches(PORT_1, PORT_2, PING)
    assert ovn.reaches(PORT_1, PORT_2, "tcp.dst == 23")

    # Who is not in the remote group is not let in by it.
    ovn.converge(document(ports=[port(security_groups=[])]))
    assert not ovn.reaches(PORT_1, PORT_2, PING)
    assert ovn.complaints() == []


def test_a_port_without_groups_says_and_hears_nothing_but_gets_its_address(ovn: Ovn) -> None:
    ovn.converge(cloud())
    ovn.converge(document(ports=[port(security_groups=[])]))
    assert not ovn.reaches(PORT_2, PORT_1, "tcp.dst == 22")
    assert not ovn.reaches(PORT_1, PORT_2, "tcp.dst == 22")
    discover = (
        "eth.dst == ff:ff:ff:ff:ff:ff && ip4.src == 0.0.0.0 && ip4.dst == 255.255.255.255 && "
        "ip.ttl == 64 && udp.src == 68 && udp.dst == 67"
    )
    offer = ovn.trace(PORT_1, discover)
    assert "put_dhcp_opts(offerip = 10.10.1.11" in offer
    assert "mtu = 1450" in offer
    assert f'output to "{PORT_1[:6]}"' in offer

    ovn.converge(document(subnets=[subnet(enable_dhcp=False)]))
    assert "put_dhcp_opts" not in ovn.trace(PORT_1, discover)
    assert ovn.complaints() == []


@pytest.mark.parametrize(
    ("mode", "answered"),
    [("slaac", False), ("dhcpv6-stateless", True), ("dhcpv6-stateful", True)],
)
def test_guests_are_told_how_to_get_an_ipv6_address(ovn: Ovn, mode: str, answered: bool) -> None:
    prefix = uuid(0x206)
    whole = cloud()
    whole["subnets"].append(
        subnet(
            prefix,
            ip_version=6,
            cidr="fd00:1::/64",
            gateway_ip="fd00:1::1",
            address_mode=mode,
            dns_nameservers=["fd00:1::53"],
        )
    )
    own = {"subnet_id": prefix, "ip_address": "fd00:1::f816:3eff:fe00:10b"}
    whole["ports"][0]["fixed_ips"].append(own)
    (interface,) = whole["routers"][0]["interfaces"]
    interface |= {"addresses": ["10.10.1.1/24", "fd00:1::1/64"], "ra_mode": mode}
    ovn.converge(whole)

    # ovn-trace 23.03 cannot follow a router solicitation, so the flows themselves are read.
    flows = ovn.synced_flows()
    advertised = [line for line in flows.splitlines() if "put_nd_ra_opts(" in line]
    assert len(advertised) == 1
    assert f'addr_mode = "{mode.replace("-", "_")}"' in advertised[0]
    assert "prefix = fd00:1::/64" in advertised[0]
    given = [line for line in flows.splitlines() if "put_dhcpv6_opts(" in line]
    assert bool(given) is answered
    assert all(
        (f"ia_addr = {own['ip_address']}" in line) is (mode == "dhcpv6-stateful") for line in given
    )
    assert all("dns_server = {fd00:1::53}" in line for line in given)
    assert ovn.complaints() == []


def test_addresses_cannot_be_forged_unless_allowed(ovn: Ovn) -> None:
    whole = cloud()
    whole["security_groups"] = [security_group(rules=[*egress_rules(), rule(5)])]
    ovn.converge(whole)
    forged = "10.10.1.77"
    assert ovn.reaches(PORT_1, PORT_2, PING)
    assert not ovn.reaches(PORT_1, PORT_2, PING, source=forged)

    # A single address: ovn-trace 23.03 does not look at masks here (ovn-controller does).
    pair = {"ip_address": forged, "mac_address": MAC[PORT_1]}
    ovn.converge(document(ports=[port(allowed_address_pairs=[pair])]))
    assert ovn.reaches(PORT_1, PORT_2, PING, source=forged)

    ovn.converge(document(ports=[port(port_security_enabled=False, security_groups=[])]))
    assert ovn.reaches(PORT_1, PORT_2, PING, source="192.0.2.1")


def test_the_router_translates_to_outside(ovn: Ovn) -> None:
    ovn.converge(cloud())
    flows = ovn.synced_flows()
    flat = [" ".join(line.split()) for line in flows.splitlines()]
    leaves = [line for line in flat if "ip4.src == 10.10.1.0/24" in line]
    assert any("ct_snat(10.77.0.140)" in line for line in leaves)
    leaves = [line for line in flat if "ip4.src == 10.10.1.11 " in line]
    assert any("ct_snat(10.77.0.141)" in line for line in leaves)
    enters = [line for line in flat if "ip4.dst == 10.77.0.141" in line]
    assert any("ct_dnat" in line and "10.10.1.11)" in line for line in enters), enters
    # Towards the narrower network, packets that do not fit are answered, not lost (1450 + 14).
    fits = f'match=(outport == "lrp-{ROUTER_INSIDE}"), action=(reg9[1] = check_pkt_larger(1464)'
    assert fits in flows
    assert ovn.complaints() == []


def test_every_form_of_rule_is_understood(ovn: Ovn) -> None:
    """ovn-northd and the expression parser complain of a match that is no expression."""
    other = uuid(0x302)
    forms: list[dict[str, Any]] = [
        {"protocol": "sctp", "port_range_min": 1, "port_range_max": 9},
        {"protocol": "icmp", "port_range_min": 8, "port_range_max": 0},
        {"protocol": "ipv6-icmp", "ethertype": "IPv6", "port_range_min": 128},
        {"protocol": "vrrp"},
        {"remote_ip_prefix": "10.1.0.0/16", "direction": "egress"},
        {"remote_ip_prefix": "2001:db8::/32", "ethertype": "IPv6"},
        {"remote_group_id": GROUP, "ethertype": "IPv6"},
        {"remote_group_id": other, "protocol": "udp", "port_range_min": 5, "port_range_max": 5},
    ]
    whole = cloud()
    whole["security_groups"] = [
        security_group(rules=[rule(20 + n, **form) for n, form in enumerate(forms)]),
        security_group(other, stateful=False, rules=[rule(50)]),
    ]
    whole["ports"][0]["security_groups"].append(other)
    ovn.converge(whole)
    ovn.reaches(PORT_1, PORT_2, PING)
    flows = ovn.synced_flows()
    for entry in ovn.rows("ACL"):
        assert entry["match"] in flows, entry["match"]
    assert ovn.complaints() == []

    whole["security_groups"].append(removed(uuid(0x303)))
    ovn.converge(all_removed(whole))
    assert ovn.synced_flows() == ""
    assert ovn.complaints() == []
