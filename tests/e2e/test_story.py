"""A tenant's story, word for word from the README, with the stock ``openstack`` command.

The tests stand in the order of the story; each goes on where the one before ended.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.lab import CHECKOUT, SSH, Lab, run, until

NAMES = ("alpha", "beta")


class Story:
    """What the tests of this story hand on."""

    def __init__(self, lab: Lab, before: dict[str, Any]) -> None:
        self.lab = lab
        self.before = before
        self.servers: dict[str, dict[str, Any]] = {}
        self.floating: dict[str, str] = {}
        self.own: dict[str, str] = {}
        self.group = ""

    def server(self, name: str) -> dict[str, Any]:
        return self.lab.show("server", "show", name)

    def status(self, name: str, wanted: str) -> dict[str, Any]:
        """Wait until the server has a status."""

        def has() -> dict[str, Any] | None:
            shown = self.server(name)
            assert shown["status"] != "ERROR", shown.get("fault")
            return shown if shown["status"] == wanted else None

        shown: dict[str, Any] = until(f"{name} is {wanted}", has, 120)
        return shown

    def host(self, name: str) -> str:
        """Where the server is, which only the operator sees."""
        seen = self.lab.show("server", "show", self.servers[name]["id"], cloud="freehold-admin")
        return str(seen["OS-EXT-SRV-ATTR:host"])

    def address(self, name: str) -> str:
        return self.servers[name]["addresses"]["tale"][0]


@pytest.fixture(scope="module")
def story(cloud: Lab) -> Iterator[Story]:
    return Story(cloud, cloud.traces())


def test_a_tenant_makes_a_network_with_a_way_out(story: Story) -> None:
    lab = story.lab
    lab.openstack("network", "create", "tale")
    lab.openstack("subnet", "create", "tale", "--network", "tale", "--subnet-range", "10.20.0.0/24")
    lab.openstack("router", "create", "tale")
    lab.openstack("router", "set", "--external-gateway", "external", "tale")
    lab.openstack("router", "add", "subnet", "tale", "tale")
    assert lab.show("router", "show", "tale")["external_gateway_info"] is not None


def test_a_tenant_brings_a_key_and_opens_ssh_and_ping(story: Story) -> None:
    lab = story.lab
    lab.openstack("keypair", "create", "tale", "--public-key", ".lab/demo_key.pub")
    story.group = lab.show("security", "group", "create", "tale")["id"]
    for words in (("--protocol", "tcp", "--dst-port", "22"), ("--protocol", "icmp")):
        lab.openstack("security", "group", "rule", "create", story.group, *words)


def test_two_servers_become_active_on_different_hosts(story: Story) -> None:
    for name in NAMES:
        story.lab.openstack(
            *("server", "create", name, "--image", "tiny", "--flavor", "tiny"),
            *("--network", "tale", "--key-name", "tale", "--security-group", story.group),
        )
    hosts = set()
    for name in NAMES:
        story.servers[name] = story.status(name, "ACTIVE")
        hosts.add(story.host(name))
    assert len(hosts) == len(NAMES)
    listed = {row["Name"]: row["Status"] for row in story.lab.show("server", "list")}
    assert {name: listed[name] for name in NAMES} == dict.fromkeys(NAMES, "ACTIVE")


def test_floating_ips_lead_from_this_computer_into_the_guests(story: Story) -> None:
    for name in NAMES:
        made = story.lab.show("floating", "ip", "create", "external")
        story.floating[name] = made["floating_ip_address"]
        story.lab.openstack("server", "add", "floating", "ip", name, story.floating[name])
    for name in NAMES:
        until(f"{name} lets the key in", lambda name=name: story.lab.lets_in(story.floating[name]))
        assert story.lab.guest(story.floating[name], "hostname").stdout.strip() == name


def test_guests_reach_each_other_and_the_packets_cross_as_vxlan(story: Story) -> None:
    lab = story.lab
    host = story.host("alpha")
    key = str(CHECKOUT / ".lab" / "id_ed25519")
    # Other packets cross too (the ssh session, if the gateway is elsewhere): time ends it.
    watch = "timeout 20 tcpdump -lnni tun0 'udp port 4789' 2>&1"
    command = [*SSH, "-i", key, f"root@{lab.addresses[host]}", watch]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as capture:
        assert capture.stdout is not None
        while "listening on" not in capture.stdout.readline():
            assert capture.poll() is None
        pinged = lab.guest(story.floating["alpha"], f"ping -c 5 -W 2 {story.address('beta')}")
        packets = capture.stdout.read()
    assert " 0% packet loss" in pinged.stdout
    assert "VXLAN" in packets
    assert f"{story.address('alpha')} > {story.address('beta')}: ICMP echo request" in packets


def test_a_second_interface_comes_and_goes_while_the_guests_run(story: Story) -> None:
    lab = story.lab
    subnet = ("--subnet-range", "10.21.0.0/24", "--gateway", "none")
    lab.openstack("network", "create", "aside")
    lab.openstack("subnet", "create", "aside", "--network", "aside", *subnet)
    for name in NAMES:
        lab.openstack("server", "add", "network", name, "aside")
    beta = story.server("beta")["addresses"]["aside"][0]
    ping = f"ping -c 1 -W 1 {beta}"
    until(
        "alpha reaches beta by the second interfaces",
        lambda: lab.guest(story.floating["alpha"], ping, check=False).returncode == 0,
        30,
    )
    lab.openstack("server", "remove", "network", "alpha", "aside")
    (left,) = lab.show("port", "list", "--network", "aside")
    lab.openstack("port", "delete", left["ID"])
    for name in NAMES:
        until(
            f"{name} has one interface",
            lambda name=name: (
                lab.guest(story.floating[name], "ls /sys/class/net").stdout.split()
                == ["eth0", "lo"]
            ),
            30,
        )
    lab.openstack("network", "delete", "aside")


def test_without_the_rule_ssh_is_refused(story: Story) -> None:
    lab = story.lab
    rules = lab.show("security", "group", "rule", "list", story.group, "--protocol", "tcp")
    lab.openstack("security", "group", "rule", "delete", rules[0]["ID"])
    try:
        until("ssh is refused", lambda: not lab.lets_in(story.floating["alpha"]), 30)
        ping = run("ping", "-c", "2", "-W", "2", story.floating["alpha"])
        assert " 0% packet loss" in ping.stdout
    finally:
        lab.openstack(
            *("security", "group", "rule", "create", story.group, "--protocol", "tcp"),
            *("--dst-port", "22"),
        )
    until("ssh is let in again", lambda: lab.lets_in(story.floating["alpha"]), 30)


def test_the_console_log_is_the_guests_own(story: Story) -> None:
    log = story.lab.openstack("console", "log", "show", "alpha")
    assert "Linux version" in log or "tiny" in log
    short = story.lab.openstack("console", "log", "show", "alpha", "--lines", "2")
    assert len(short.strip().splitlines()) <= 2


def test_a_subnet_of_ipv6_gives_each_guest_an_address_of_its_own_making(story: Story) -> None:
    lab = story.lab
    modes = ("--ipv6-ra-mode", "slaac", "--ipv6-address-mode", "slaac")
    subnet = ("--network", "tale", "--ip-version", "6", *modes, "--subnet-range", "fd00:20::/64")
    lab.openstack("subnet", "create", "tale6", *subnet)
    lab.openstack("router", "add", "subnet", "tale", "tale6")
    for name in NAMES:
        story.own[name] = next(
            one for one in story.server(name)["addresses"]["tale"] if one.startswith("fd00:20::")
        )


def test_stop_and_start(story: Story) -> None:
    story.lab.openstack("server", "stop", "alpha")
    story.status("alpha", "SHUTOFF")
    assert not story.lab.lets_in(story.floating["alpha"])
    story.lab.openstack("server", "start", "alpha")
    story.status("alpha", "ACTIVE")
    until("alpha is back", lambda: story.lab.lets_in(story.floating["alpha"]))


def test_a_guest_that_boots_asks_the_router_and_has_the_address_that_the_api_tells(
    story: Story,
) -> None:
    """One that runs hears of a new prefix too, when the router next tells it, in minutes."""
    guest, look = story.floating["alpha"], "ip -6 -o addr show dev eth0 scope global"
    own = f" {story.own['alpha']}/64 "
    until("alpha has it", lambda: own in story.lab.guest(guest, look).stdout, 30)
    ping = "ping -c 1 -W 2 fd00:20::1"
    until(
        "its router answers",
        lambda: story.lab.guest(guest, ping, check=False).returncode == 0,
        30,
    )


@pytest.mark.parametrize("how", ["--soft", "--hard"])
def test_reboot_gives_the_guest_a_new_life(story: Story, how: str) -> None:
    lab, address = story.lab, story.floating["beta"]
    read = "cat /proc/sys/kernel/random/boot_id"
    before = lab.guest(address, read).stdout
    lab.openstack("server", "reboot", how, "beta")

    def reborn() -> bool:
        after = lab.guest(address, read, check=False)
        return after.returncode == 0 and after.stdout != before

    until(f"beta has another boot id after {how}", reborn)
    story.status("beta", "ACTIVE")


def test_after_deleting_everything_nothing_is_left_anywhere(story: Story) -> None:
    lab = story.lab
    for name in NAMES:
        lab.openstack("floating", "ip", "delete", story.floating[name])
        lab.openstack("server", "delete", "--wait", name)
    for subnet in ("tale", "tale6"):
        lab.openstack("router", "remove", "subnet", "tale", subnet)
    lab.openstack("router", "delete", "tale")
    lab.openstack("network", "delete", "tale")
    lab.openstack("security", "group", "delete", story.group)
    lab.openstack("keypair", "delete", "tale")
    seen: dict[str, Any] = {}

    def same() -> bool:
        seen.update(lab.traces())
        return seen == story.before

    try:
        until("all is as before", same, 60)
    except AssertionError:
        assert seen == story.before
        raise
