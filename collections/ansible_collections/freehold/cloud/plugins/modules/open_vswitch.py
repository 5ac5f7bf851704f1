#!/usr/bin/python
# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the Open vSwitch of a host the bridges, ports and settings that it should have."""

from __future__ import annotations

DOCUMENTATION = r"""
module: open_vswitch
short_description: Bridges, ports and settings of a host's Open vSwitch
description:
  - Adds what is named and is not there, and corrects what differs, in one OVSDB transaction.
  - Never removes a bridge, a port or a setting.
  - Fails when the switch cannot open a bridge or port that is named.
author: The Freehold authors (@freehold)
options:
  bridges:
    description: Bridges that the switch has.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the bridge and of its local port.
        type: str
        required: true
      datapath_type:
        description: In the kernel (V(system)) or in user space (V(netdev)).
        type: str
        choices: [system, netdev]
        default: system
      fail_mode:
        description: What the bridge does without a controller (learn and switch, or nothing).
        type: str
        choices: [standalone, secure]
        default: standalone
      hwaddr:
        description:
          - The MAC address of the bridge's local port.
          - Without it the switch chooses one, another each time that the bridge is made.
        type: str
      ports:
        description: NICs of the host that belong to the bridge.
        type: list
        elements: str
        default: []
  external_ids:
    description: Settings in C(external_ids) of the switch itself, among them those that OVN reads.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Says what it would do. Also on a host where Open vSwitch is not installed yet.
  diff_mode:
    support: full
    description: Shows bridges and settings before and after.
"""

EXAMPLES = r"""
- name: The external network is reached through ext0
  freehold.cloud.open_vswitch:
    bridges:
      - name: br-ex
        datapath_type: netdev
        ports: [ext0]
    external_ids:
      ovn-bridge-mappings: physnet1:br-ex
"""

RETURN = r"""
steps:
  description: What was done (in check mode, would be done), in words.
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.freehold.cloud.plugins.module_utils.open_vswitch import (
    LOOK,
    Bridge,
    Step,
    Switch,
    SwitchError,
    failed_ports,
    read_switch,
    steps,
)

TIMEOUT = "--timeout=30"


def observe(module: AnsibleModule) -> Switch:
    """Read the switch; a host without Open vSwitch has an empty one, in check mode only."""
    program = module.get_bin_path("ovs-vsctl")
    if program is None:
        if module.check_mode:
            return Switch()
        raise SwitchError("ovs-vsctl is not there; install the package openvswitch-switch")
    asked = [word for table in LOOK for word in ("--", *table)]
    code, out, err = module.run_command([program, TIMEOUT, "--format=json", *asked])
    if code != 0:
        if module.check_mode:
            return Switch()
        raise SwitchError(
            f"ovs-vsctl could not read the switch: {err.strip()}; "
            "see systemctl status ovsdb-server ovs-vswitchd"
        )
    return read_switch(out)


def apply(module: AnsibleModule, plan: list[Step]) -> None:
    """Do all steps in one transaction and wait until ovs-vswitchd has taken them over."""
    words = [word for step in plan for word in ("--", *step.arguments)]
    code, _out, err = module.run_command(
        [module.get_bin_path("ovs-vsctl", required=True), TIMEOUT, *words]
    )
    if code != 0:
        wanted = "; ".join(step.sentence for step in plan)
        raise SwitchError(f"ovs-vsctl could not {wanted}: {err.strip()}")


def main() -> None:
    bridge = {
        "name": {"type": "str", "required": True},
        "datapath_type": {"type": "str", "choices": ["system", "netdev"], "default": "system"},
        "fail_mode": {
            "type": "str",
            "choices": ["standalone", "secure"],
            "default": "standalone",
        },
        "hwaddr": {"type": "str"},
        "ports": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "bridges": {"type": "list", "elements": "dict", "options": bridge, "default": []},
            "external_ids": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    bridges = [
        Bridge(b["name"], b["datapath_type"], b["fail_mode"], frozenset(b["ports"]), b["hwaddr"])
        for b in module.params["bridges"]
    ]
    external_ids = {key: _text(value) for key, value in module.params["external_ids"].items()}
    try:
        before = observe(module)
        plan = steps(bridges, external_ids, before)
        after = before
        if plan and not module.check_mode:
            apply(module, plan)
        if not module.check_mode:
            after = observe(module)
            if failed := failed_ports(bridges, after):
                told = "; ".join(f"{name}: {why}" for name, why in failed.items())
                raise SwitchError(f"the switch cannot open {told}; is the NIC there?")
    except SwitchError as error:
        module.fail_json(msg=str(error))
    told = [step.sentence for step in plan]
    diff = {"prepared": "".join(f"+ {sentence}\n" for sentence in told)}
    module.exit_json(changed=bool(plan), steps=told, diff=diff)


def _text(value: Any) -> str:
    """OVSDB knows strings only, and its booleans are lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()
