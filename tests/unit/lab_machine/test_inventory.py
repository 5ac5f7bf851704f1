"""The lab's inventory, as Ansible reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[3]


def ask(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", "inventories/lab"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FREEHOLD_LAB_")}
    return subprocess.run(
        [*command, "--list"],
        cwd=CHECKOUT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def inventory(**environment: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(ask(**environment).stdout)
    return told


def test_as_many_hypervisors_as_asked_for_with_addresses_by_number() -> None:
    told = inventory(FREEHOLD_LAB_HYPERVISORS="3")
    assert told["hypervisor"]["hosts"] == ["hv1", "hv2", "hv3"]
    assert told["control_plane"]["hosts"] == told["ovn_central"]["hosts"] == ["control"]
    about = told["_meta"]["hostvars"]
    assert about["control"]["ansible_host"] == "10.77.0.10"
    assert [about[f"hv{n}"]["ansible_host"] for n in (1, 2, 3)] == [
        f"10.77.0.{10 + n}" for n in (1, 2, 3)
    ]
    assert about["hv3"]["tunnel_address"] == "10.77.0.43"


def test_a_second_lab_shares_no_name_and_no_address_with_the_first() -> None:
    second = inventory(FREEHOLD_LAB_PREFIX="t2", FREEHOLD_LAB_NETWORK="10.78.0.0/24")
    text = json.dumps(second["_meta"])
    assert "10.77.0." not in text
    assert "known_hosts-t2" in text
    assert '"lab_machine_prefix": "t2"' in text


def test_a_number_of_hypervisors_that_has_no_addresses_is_refused() -> None:
    done = ask(FREEHOLD_LAB_HYPERVISORS="21")
    assert "it can be 1 to 20" in done.stderr
