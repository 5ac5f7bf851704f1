"""What is wrong with an inventory or a machine is told in sentences, before anything is changed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from typing import Any

import pytest

from tests.support.role_reference import CHECKOUT

ROLE = CHECKOUT / "roles/preflight"
_spec = importlib.util.spec_from_file_location("preflight", ROLE / "filter_plugins/preflight.py")
assert _spec is not None
assert _spec.loader is not None
preflight = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(preflight)

HOST = ["hypervisor", "ovn_host"]


def machine(name: str, number: int, *groups: str, **changed: Any) -> dict[str, Any]:
    tunnel = f"198.51.100.{number}/24" if "ovn_host" in groups else ""
    told = {"name": name, "groups": list(groups), "address": f"192.0.2.{number}", "port": 22}
    return {**told, "tunnel": tunnel, **changed}


def cloud(**changed: Any) -> list[dict[str, Any]]:
    return [
        machine("control", 10, "control_plane", "ovn_central"),
        machine("c1", 11, *HOST),
        {**machine("c2", 12, *HOST), **changed},
    ]


def seen(**changed: Any) -> dict[str, Any]:
    told = {
        "system": "debian 12",
        "architecture": "x86_64",
        "python": "3.11",
        "systemd": True,
        "nics": {"lo": [], "eno1": ["192.0.2.12/24"], "eno2": [], "eno3": []},
        "default_route": ["eno1"],
        "free_gib": 100.0,
        "memory_mib": 64000,
        "kvm": True,
        "kernel_switch": True,
        "root_login": "without-password",
        "deployed": False,
    }
    return {**told, **changed}


def wanted(**changed: Any) -> dict[str, Any]:
    told = {
        "name": "c2",
        "groups": HOST,
        "systems": ["debian 12"],
        "free_gib": 4,
        "memory_mib": 1024,
        "tunnel": "192.0.2.12/24",
        "datapath": "auto",
        "underlay": "",
        "external": "eno2",
        "worker_user": "root",
        "wheels": True,
        "python": "3.11",
    }
    return {**told, **changed}


def test_a_sound_inventory_and_machine_have_no_problems() -> None:
    assert preflight.inventory_problems(cloud()) == []
    assert preflight.machine_problems(seen(), wanted()) == []
    assert preflight.machine_warnings(seen(), wanted()) == []


def test_one_machine_in_all_groups_is_a_cloud() -> None:
    assert not preflight.inventory_problems(
        [machine("all", 10, "control_plane", "ovn_central", *HOST)]
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"address": "192.0.2.11"}, "c1 and c2 have the same ansible_host"),
        ({"tunnel": "198.51.100.11/24"}, "c1 and c2 have the same openvswitch_tunnel_address"),
        ({"address": ""}, "c2: ansible_host is ''"),
        ({"address": "c2.example.org"}, "c2: ansible_host is 'c2.example.org'"),
        ({"tunnel": ""}, "c2: openvswitch_tunnel_address is ''"),
        ({"tunnel": "198.51.100.12"}, "with the length of its prefix"),
        ({"groups": ["hypervisor"]}, "c2: a hypervisor's guests need the network"),
        ({"groups": ["control_plane"]}, "Group control_plane has control, c2; it can have one"),
    ],
)
def test_a_wrong_inventory_is_told_in_one_sentence(changed: dict[str, Any], words: str) -> None:
    (sentence,) = preflight.inventory_problems(cloud(**changed))
    assert words in sentence


def test_a_group_that_was_forgotten_is_told() -> None:
    assert [sentence.split(";")[0] for sentence in preflight.inventory_problems(cloud()[1:])] == [
        "Group control_plane has no machine",
        "Group ovn_central has no machine",
    ]


@pytest.mark.parametrize(
    ("is_", "should", "words"),
    [
        ({"system": "ubuntu 24.04"}, {}, "its system is 'ubuntu 24.04'; supported is debian 12"),
        ({"architecture": "aarch64"}, {}, "supported is x86_64"),
        ({"systemd": False}, {}, "does not run systemd"),
        ({"free_gib": 3.2}, {}, "3.2 GiB are free below /var/lib and 4 are needed"),
        ({"free_gib": 0.4, "deployed": True}, {}, "0.4 GiB are free below /var/lib and 1 are"),
        ({"memory_mib": 512}, {}, "512 MiB of memory"),
        ({"root_login": "no"}, {}, "PermitRootLogin no"),
        ({"nics": None}, {}, "apt-get install iproute2"),
        ({}, {"external": "eno9"}, "ovn_host_external_interface is eno9, and it has no such NIC"),
        ({}, {"external": "eno1"}, "has the address 192.0.2.12/24 and would lose it"),
        ({}, {"tunnel": "198.51.100.12/24"}, "none of its NICs has the address 198.51.100.12"),
        ({"kernel_switch": False}, {}, "set openvswitch_underlay_interface"),
        ({"kernel_switch": False}, {"underlay": "eno7"}, "is eno7, and it has no such NIC"),
        ({"kernel_switch": False}, {"underlay": "eno2"}, "are both eno2; each needs"),
        ({"python": "3.13"}, {"groups": ["control_plane"]}, "has Python 3.13 and this computer"),
    ],
)
def test_a_machine_that_does_not_fit_is_told_in_one_sentence(
    is_: dict[str, Any], should: dict[str, Any], words: str
) -> None:
    (sentence,) = preflight.machine_problems(seen(**is_), wanted(**should))
    assert words in sentence
    assert sentence.startswith("c2: ")


def test_a_full_disk_does_not_stop_the_update_of_a_machine_in_use() -> None:
    assert not preflight.machine_problems(seen(free_gib=1.5, deployed=True), wanted())


def test_a_switch_in_user_space_wants_no_tunnel_address_beforehand() -> None:
    told = wanted(underlay="eno3", tunnel="198.51.100.12/24")
    assert not preflight.machine_problems(seen(kernel_switch=False), told)


@pytest.mark.parametrize(
    ("is_", "should", "words"),
    [
        ({"kvm": False}, {}, "no /dev/kvm"),
        ({"kernel_switch": False}, {}, "runs in user space"),
        ({}, {"external": ""}, "will not carry floating IPs"),
    ],
)
def test_what_works_but_not_as_expected_is_a_warning(
    is_: dict[str, Any], should: dict[str, Any], words: str
) -> None:
    (sentence,) = preflight.machine_warnings(seen(**is_), wanted(**should))
    assert words in sentence


def test_a_look_at_a_real_machine_says_all_that_is_judged() -> None:
    """This computer is a Debian machine too; no change is made by looking."""
    told = subprocess.run([ROLE / "files/look"], capture_output=True, text=True, check=True)
    looked = json.loads(told.stdout)
    assert set(looked) == set(seen())
    assert looked["nics"]["lo"] == []
    assert isinstance(preflight.machine_problems(looked, wanted()), list)
