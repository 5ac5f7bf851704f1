#!/usr/bin/python
# Copyright: (c) 2026, Freehold contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bridge of this computer with its addresses."""

from __future__ import annotations

DOCUMENTATION = """
module: lab_bridge
short_description: A bridge that is the lab's network
options:
  name:
    description: Name of the bridge, at most 15 characters.
    type: str
    required: true
  addresses:
    description: Addresses with prefix length that this computer has on it.
    type: list
    elements: str
    default: []
  state:
    description: Whether it is there.
    type: str
    choices: [present, absent]
    default: present
"""

import json

from ansible.module_utils.basic import AnsibleModule


def observe(module, name):
    """The bridge's link and addresses, or None."""
    status, out, _err = module.run_command(["ip", "-json", "address", "show", "dev", name])
    if status != 0:
        return None
    (link,) = [entry for entry in json.loads(out) if entry]
    return {
        "up": "UP" in link["flags"],
        "addresses": {
            f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["family"] == "inet"
        },
    }


def plan(name, state, addresses, have):
    """Commands from what is to what is wanted."""
    if state == "absent":
        return [["ip", "link", "delete", name]] if have else []
    steps = []
    if have is None:
        steps.append(["ip", "link", "add", name, "type", "bridge"])
        have = {"up": False, "addresses": set()}
    steps += [
        ["ip", "address", "add", address, "dev", name]
        for address in addresses
        if address not in have["addresses"]
    ]
    if not have["up"]:
        steps.append(["ip", "link", "set", name, "up"])
    return steps


def main():
    """Converge the bridge."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    given = module.params
    steps = plan(given["name"], given["state"], given["addresses"], observe(module, given["name"]))
    if not module.check_mode:
        for step in steps:
            module.run_command(step, check_rc=True)
    module.exit_json(changed=bool(steps), steps=[" ".join(step) for step in steps])


if __name__ == "__main__":
    main()
