"""The bridge of the computer and the machines' links on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_interface
from pathlib import Path

from .command import run, run_json
from .definition import Lab, LabError, Machine


def exists(name: str) -> bool:
    """Whether the computer has a link of this name."""
    return Path("/sys/class/net", name).exists()


def address_clash(lab: Lab) -> str | None:
    """The first address of the computer that a network of the lab would hide, if any."""
    for link in run_json("ip", "-json", "-4", "address", "show"):
        if link.get("ifname") == lab.bridge:
            continue
        for found in link.get("addr_info", []):
            theirs = ip_interface(f"{found['local']}/{found['prefixlen']}").network
            for ours in lab.bridge_addresses:
                if theirs.overlaps(ours.network):
                    return f"{theirs} on {link['ifname']} overlaps with the lab's {ours.network}"
    return None


def foreign_ports(lab: Lab) -> list[str]:
    """Ports of the bridge that no machine of this lab has, as when two labs name one bridge."""
    ports = Path("/sys/class/net", lab.bridge, "brif")
    found = {port.name for port in ports.iterdir()} if ports.exists() else set()
    return sorted(port for port in found if not port.startswith(f"{lab.name}-"))


def make_bridge(lab: Lab) -> list[str]:
    """Make the bridge with its addresses; returns what had to be done."""
    done = []
    if not exists(lab.bridge):
        run("ip", "link", "add", lab.bridge, "type", "bridge")
        done.append(f"bridge {lab.bridge} made")
    found = run_json("ip", "-json", "-4", "address", "show", "dev", lab.bridge)
    have = {f"{a['local']}/{a['prefixlen']}" for link in found for a in link.get("addr_info", [])}
    for address in lab.bridge_addresses:
        if str(address) not in have:
            run("ip", "address", "add", str(address), "dev", lab.bridge)
            done.append(f"address {address} given to {lab.bridge}")
    run("ip", "link", "set", lab.bridge, "up")
    return done


def remove_bridge(lab: Lab) -> list[str]:
    """Remove the bridge; returns what had to be done."""
    if not exists(lab.bridge):
        return []
    run("ip", "link", "delete", lab.bridge)
    return [f"bridge {lab.bridge} removed"]


def remove_links(machine: Machine) -> list[str]:
    """Remove links whose machine is gone; the kernel removes them too, in its own time."""
    done = []
    for name in machine.links:
        if not exists(name):
            continue
        try:
            run("ip", "link", "delete", name)
        except LabError:
            if exists(name):
                raise
        done.append(f"link {name} removed")
    return done


def attach(lab: Lab, machine: Machine, still_booting: Callable[[], bool], timeout_s: float) -> None:
    """Put a machine's links on the bridge as soon as they are there.

    Checksums are computed on the computer's side before a frame enters the machine: Open vSwitch
    in user space reads raw frames and would see unfinished checksums, so ping works and TCP does
    not.

    Raises:
        LabError: The machine ended, or its links did not come within the time.
    """
    deadline = time.monotonic() + timeout_s
    for name in machine.links:
        while not exists(name):
            if not still_booting():
                raise LabError(f"machine {machine.name} ended before link {name} was there")
            if time.monotonic() > deadline:
                raise LabError(f"machine {machine.name} has no link {name} after {timeout_s} s")
            time.sleep(0.02)
        run("ethtool", "--offload", name, "tx", "off", "tso", "off")
        run("ip", "link", "set", name, "master", lab.bridge, "up")


def detached(lab: Lab, machine: Machine) -> list[str]:
    """Names of a machine's links that are missing or not on the bridge."""
    return [
        name
        for name in machine.links
        if not Path("/sys/class/net", lab.bridge, "brif", name).exists()
    ]
