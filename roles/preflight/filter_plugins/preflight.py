"""What is wrong with an inventory or a machine, in sentences: where, what, what to do. Pure."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ONE_MACHINE = ("control_plane", "ovn_central")
SOME_MACHINES = ("ovn_host", "hypervisor")
DEPLOYED_FREE_GIB = 1  # a machine that is in use is not told to empty its disk before an update


def inventory_problems(machines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What can be said without asking any machine."""
    return [*_group_problems(machines), *_address_problems(machines)]


def _group_problems(machines: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    for group in (*ONE_MACHINE, *SOME_MACHINES):
        members = [one["name"] for one in machines if group in one["groups"]]
        if not members:
            found.append(f"Group {group} has no machine; name one in the inventory.")
        elif group in ONE_MACHINE and len(members) > 1:
            found.append(f"Group {group} has {', '.join(members)}; it can have one machine only.")
    found += [
        f"{one['name']}: a hypervisor's guests need the network; it has to be in ovn_host as well."
        for one in machines
        if "hypervisor" in one["groups"] and "ovn_host" not in one["groups"]
    ]
    return found


def _address_problems(machines: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    for one in machines:
        if not _is_address(one["address"]):
            found.append(
                f"{one['name']}: ansible_host is {one['address']!r}; it has to be the IP address "
                "by which the machines of the cloud reach each other."
            )
        if "ovn_host" in one["groups"] and not _is_interface(one["tunnel"]):
            found.append(
                f"{one['name']}: openvswitch_tunnel_address is {one['tunnel']!r}; it has to be the "
                "machine's address for tunnels with the length of its prefix, as in "
                "198.51.100.11/24."
            )
    places = ((one["name"], f"{one['address']} port {one['port']}") for one in machines)
    found += _shared("ansible_host", places)
    tunnels = ((one["name"], one["tunnel"].split("/")[0]) for one in machines if one["tunnel"])
    found += _shared("openvswitch_tunnel_address", tunnels)
    return found


def _shared(variable: str, places: Iterable[tuple[str, str]]) -> list[str]:
    names = defaultdict(list)
    for name, value in places:
        names[value].append(name)
    return [
        f"{' and '.join(shared)} have the same {variable}, {value}; each machine has its own."
        for value, shared in names.items()
        if len(shared) > 1 and value.strip()
    ]


def machine_problems(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Why this machine cannot be what the inventory wants; ``seen`` is what files/look printed."""
    found = _system_problems(seen, wanted)
    if seen["nics"] is None:
        found.append("there is no program ip; on the machine: apt-get install iproute2.")
    elif "ovn_host" in wanted["groups"]:
        found += _network_problems(seen, wanted)
    return [f"{wanted['name']}: {sentence}" for sentence in found]


def _system_problems(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    found = []
    if seen["system"] not in wanted["systems"]:
        found.append(
            f"its system is {seen['system']!r}; supported is {', '.join(wanted['systems'])}. To "
            "try it all the same, add it to preflight_systems."
        )
    if seen["architecture"] != "x86_64":
        found.append(f"its processor is {seen['architecture']}; supported is x86_64.")
    if not seen["systemd"]:
        found.append("it does not run systemd, which all services of the cloud need.")
    needed = DEPLOYED_FREE_GIB if seen["deployed"] else wanted["free_gib"]
    if seen["free_gib"] < needed:
        found.append(
            f"{seen['free_gib']} GiB are free below /var/lib and {needed} are needed; free some, "
            "or mount a larger disk there."
        )
    if seen["memory_mib"] < wanted["memory_mib"]:
        found.append(
            f"it has {seen['memory_mib']} MiB of memory, {wanted['memory_mib']} are needed."
        )
    if (
        "control_plane" in wanted["groups"]
        and wanted["wheels"]
        and seen["python"] != wanted["python"]
    ):
        found.append(
            f"it has Python {seen['python']} and this computer {wanted['python']}, so packages "
            'cannot be carried over; set control_plane_wheels: "" to let it ask the package index '
            "itself, or run Ansible with the same Python."
        )
    if wanted["worker_user"] == "root" and seen["root_login"] == "no":
        found.append(
            "its sshd lets root in by no means (PermitRootLogin no), and the service's workers log "
            "in as root with a key; set PermitRootLogin prohibit-password."
        )
    return found


def _network_problems(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    found = []
    nics, names = seen["nics"], ", ".join(sorted(set(seen["nics"]) - {"lo"}))
    spare = {"ovn_host_external_interface": wanted["external"]}
    if _in_user_space(seen, wanted):
        spare["openvswitch_underlay_interface"] = wanted["underlay"]
        if not wanted["underlay"]:
            found.append(
                "its kernel has no openvswitch module, so tunnels need a NIC of their own; set "
                f"openvswitch_underlay_interface to one without an address (it has {names})."
            )
    elif not _has_address(nics, wanted["tunnel"]):
        address = wanted["tunnel"].split("/")[0]
        found.append(
            f"none of its NICs has the address {address} of openvswitch_tunnel_address; give it to "
            "one, or name an address that the machine has."
        )
    for variable, nic in spare.items():
        if not nic:
            continue
        if nic not in nics:
            found.append(f"{variable} is {nic}, and it has no such NIC; it has {names}.")
        elif nic in seen["default_route"] or nics[nic]:
            used = f"the address {', '.join(nics[nic])}" if nics[nic] else "its way out"
            found.append(
                f"{variable} is {nic}, which has {used} and would lose it; name a NIC (or a VLAN "
                "of one) without an address."
            )
    if len(set(spare.values())) < len(spare) and all(spare.values()):
        found.append(
            f"{' and '.join(spare)} are both {wanted['underlay']}; each needs a NIC of its own."
        )
    return found


def machine_warnings(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What will work, but not as one may expect."""
    found = []
    if "hypervisor" in wanted["groups"] and not seen["kvm"]:
        found.append(
            "it has no /dev/kvm, so guests are emulated and some ten times slower; switch "
            "virtualisation on in its firmware (or give a virtual machine nested virtualisation)."
        )
    if "ovn_host" in wanted["groups"]:
        if _in_user_space(seen, wanted):
            found.append("its kernel has no openvswitch module, so the switch runs in user space.")
        if not wanted["external"]:
            found.append(
                "it has no NIC on the external network, so it will not carry floating IPs."
            )
    return [f"{wanted['name']}: {sentence}" for sentence in found]


def _in_user_space(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    if wanted["datapath"] == "auto":
        return not seen["kernel_switch"]
    return wanted["datapath"] == "netdev"


def _has_address(nics: Mapping[str, Sequence[str]], wanted: str) -> bool:
    address = wanted.split("/")[0]
    return any(found.split("/")[0] == address for all_ in nics.values() for found in all_)


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _is_interface(text: str) -> bool:
    try:
        return "/" in text and bool(ipaddress.ip_interface(text))
    except ValueError:
        return False


class FilterModule:
    """The role's filters."""

    def filters(self) -> dict[str, Any]:
        """By the names that the role's tasks use."""
        return {
            "freehold_inventory_problems": inventory_problems,
            "freehold_machine_problems": machine_problems,
            "freehold_machine_warnings": machine_warnings,
        }
