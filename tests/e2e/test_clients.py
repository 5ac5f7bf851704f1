"""Playbooks with the modules of openstack.cloud, unchanged, against the cloud."""

from __future__ import annotations

import re

from tests.support.lab import Lab, run, until


def _play(state: str) -> tuple[str, int]:
    """Run the operator's and the tenant's playbook; what they said, how many tasks changed."""
    told = run("make", "clients", f"ARGS=-e state={state}", timeout=600).stdout
    return told, int(re.findall(r"changed=(\d+)", told)[-1])


def test_playbooks_of_others_make_find_and_remove_what_they_name(cloud: Lab) -> None:
    before = cloud.traces()
    told, changed = _play("present")
    assert changed == 19
    (address,) = re.findall(r"ACTIVE at ([0-9.]+)", told)
    until("the server lets its key in", lambda: cloud.lets_in(address))
    assert _play("present")[1] == 0
    assert _play("absent")[1] == 13
    assert _play("absent")[1] == 0
    until("nothing of it is left", lambda: cloud.traces() == before, 30)
    assert not cloud.lets_in(address)
