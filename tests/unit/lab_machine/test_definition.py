"""A lab's file is refused with words when it cannot be built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lab_machine import definition, links


def wanted(**changed: Any) -> dict[str, Any]:
    return {
        "name": "fh",
        "base": "/nowhere",
        "bridge": "fhlab0",
        "bridge_addresses": ["10.77.0.1/26", "10.77.0.129/25"],
        "gateway": "10.77.0.1",
        "devices": ["net/tun"],
        "authorized_key": "ssh-ed25519 AAAA lab",
        "known_hosts": "/nowhere/known_hosts",
        "machines": [
            {"name": "control", "address": "10.77.0.10/26", "nics": []},
            {"name": "hv1", "address": "10.77.0.11/26", "nics": ["tun0", "ext0"]},
        ],
        **changed,
    }


def read(tmp_path: Path, **changed: Any) -> definition.Lab:
    path = tmp_path / "lab.json"
    path.write_text(json.dumps(wanted(**changed)))
    return definition.read(path)


def test_each_nic_has_a_link_of_its_own_on_the_computer(tmp_path: Path) -> None:
    lab = read(tmp_path)
    assert lab.machine("hv1").links == {
        "fh-hv1-ho": "host0",
        "fh-hv1-tu": "tun0",
        "fh-hv1-ex": "ext0",
    }
    assert lab.machine("control").links == {"fh-control-ho": "host0"}


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"name": "a-long-name"}, "FREEHOLD_LAB_PREFIX"),
        ({"machines": [{"name": "m", "address": "10.0.0.1/26", "nics": ["ext0", "ext1"]}]}, "NICs"),
        ({"machines": [{"name": "m", "address": "fd00::1/64", "nics": []}]}, "no definition"),
        ({"bridge_addresses": ["10.77.0.1/33"]}, "no definition"),
        ({"machines": [{"name": "m"}]}, "no definition"),
    ],
)
def test_what_cannot_be_built_is_refused_with_words(
    tmp_path: Path, changed: dict[str, Any], word: str
) -> None:
    with pytest.raises(definition.LabError, match=word):
        read(tmp_path, **changed)


def test_a_lab_that_was_never_made_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(definition.LabError, match="was the lab made"):
        definition.read(tmp_path / "lab.json")


def test_an_unknown_machine_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(definition.LabError, match="control, hv1"):
        read(tmp_path).machine("hv9")


def test_a_network_that_the_computer_has_already_is_refused(tmp_path: Path) -> None:
    lab = read(tmp_path, bridge="none0", bridge_addresses=["127.1.0.1/16", "10.77.0.129/25"])
    assert "127.0.0.0/8 on lo overlaps" in str(links.address_clash(lab))
