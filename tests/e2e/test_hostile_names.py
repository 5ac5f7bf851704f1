"""A name that is a template runs nothing and arrives as it was written: tenants give data."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest

from tests.support.lab import CHECKOUT, Lab, run, until

MARK = "/tmp/freehold-pwned"
NAME = "{{ lookup('pipe', 'touch " + MARK + "') }}"
TEXT = NAME + """ ]]></title><x a='b'>&evil;<!-- \\ ["uuid"],{} || && $set == "\nsecond line"""
"""Where a text may have more lines: XML, OVSDB and shell beside the template."""
KEY = "plain"
MACHINES = ("control", "hv1", "hv2")


@pytest.fixture(scope="module")
def hostile(cloud: Lab) -> Iterator[dict[str, str]]:
    """A server, a network and a subnet named with the payload; names of keys are plain words."""
    made = {"network": cloud.show("network", "create", TEXT)["id"]}
    cloud.openstack(
        "subnet", "create", NAME, "--network", made["network"], "--subnet-range", "10.30.0.0/24"
    )
    cloud.openstack("keypair", "create", KEY, "--public-key", ".lab/demo_key.pub")
    made["server"] = cloud.show(
        *("server", "create", NAME, "--image", "tiny", "--flavor", "tiny", "--key-name", KEY),
        *("--network", made["network"], "--property", f"payload={TEXT}", "--wait"),
    )["id"]
    yield made
    cloud.openstack("server", "delete", "--wait", made["server"])
    cloud.openstack("keypair", "delete", KEY)
    cloud.openstack("network", "delete", made["network"])


def test_the_name_arrives_literally_in_libvirt_and_the_config_drive(
    cloud: Lab, hostile: dict[str, str]
) -> None:
    seen = cloud.show("server", "show", hostile["server"], cloud="freehold-admin")
    host = seen["OS-EXT-SRV-ATTR:host"]
    assert seen["name"] == NAME
    domain = cloud.shell(
        host, "for d in $(virsh list --uuid); do virsh dumpxml $d; done", check=True
    )
    assert NAME.replace("'", "&apos;") in domain or NAME in domain
    folder = f"/var/lib/freehold/servers/{hostile['server']}"
    metadata = cloud.shell(
        host,
        f"set -e; d=$(mktemp -d); iso=$(ls {folder}/*.iso); mount -o loop,ro $iso $d 2>/dev/null "
        f"&& cat $d/openstack/latest/meta_data.json && umount $d "
        f"|| isoinfo -i $iso -R -x /openstack/latest/meta_data.json",
    )
    told = json.loads(metadata)
    assert told["name"] == NAME
    assert told["meta"] == {"payload": TEXT}
    assert list(told["public_keys"]) == [KEY]


def test_the_name_arrives_literally_in_ovn(cloud: Lab, hostile: dict[str, str]) -> None:
    rows = json.loads(
        cloud.shell("control", "ovn-nbctl --format=json --columns=external_ids list Logical_Switch")
    )
    names = [value for row in rows["data"] for _key, value in row[0][1]]
    assert TEXT in names


def test_nothing_ran_anywhere(cloud: Lab, hostile: dict[str, str]) -> None:
    until(
        "the network's job is done",
        lambda: "due" not in cloud.freehold("target list"),
        60,
    )
    for machine in MACHINES:
        assert cloud.shell(machine, f"ls {shlex.quote(MARK)}", check=False) == "", machine
    assert run("ls", MARK, check=False).returncode != 0
    assert not (CHECKOUT / MARK).exists()
