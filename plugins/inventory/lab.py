# Copyright: (c) 2026, Freehold contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Inventory of the lab: machines on this computer, as many hypervisors as asked for."""

from __future__ import annotations

DOCUMENTATION = """
name: lab
short_description: Machines of the lab on this computer
description:
  - Gives one control host and a number of hypervisors that C(playbooks/lab.yml) makes as
    systemd-nspawn machines.
  - Addresses follow from the networks and a machine's number, so nothing is written down twice.
options:
  plugin:
    description: Must be C(lab).
    required: true
    choices: [lab]
  hypervisors:
    description: How many hypervisors.
    type: int
    default: 2
    env:
      - name: FREEHOLD_LAB_HYPERVISORS
  prefix:
    description:
      - Prefix of machine names on the computer, at most 4 characters. With a network of its own it
        makes a second lab beside the first.
    type: str
    default: fh
    env:
      - name: FREEHOLD_LAB_PREFIX
  network:
    description:
      - A network of 256 addresses. The first quarter is management and tunnels, the upper half is
        outside.
    type: str
    default: 10.77.0.0/24
    env:
      - name: FREEHOLD_LAB_NETWORK
  base:
    description: What machines are made from, as the role's C(lab_machine_base).
    type: str
    default: prepared
    choices: [prepared, plain]
    env:
      - name: FREEHOLD_LAB_BASE
  database:
    description: Where the service keeps its rows, as the role's C(control_plane_database).
    type: str
    default: sqlite
    choices: [sqlite, postgresql]
    env:
      - name: FREEHOLD_LAB_DATABASE
  state_dir:
    description: Where the ssh key of the lab lies, relative to the checkout.
    type: str
    default: .lab
"""

import ipaddress
import os
import sys

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

CONTROL = 10
FIRST_HYPERVISOR = 11
FIRST_TUNNEL = 41
MOST_HYPERVISORS = 20
PLAIN_USER = "ops"
APT_PROXY_PORT = 3142
HYPERVISOR_GROUPS = ("hypervisor", "ovn_host", "openvswitch")
CONTROL_GROUPS = ("control_plane", "ovn_central")


class InventoryModule(BaseInventoryPlugin):
    """Reads C(inventories/lab/lab.yml)."""

    NAME = "lab"
    # The operator's own values; `ansible-inventory --list` would wrap untrusted ones.
    trusted_by_default = True

    def verify_file(self, path):
        """Only a file called lab.yml is ours."""
        return super().verify_file(path) and os.path.basename(path) == "lab.yml"

    def parse(self, inventory, loader, path, cache=True):
        """Fill the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        count = self.get_option("hypervisors")
        if not 1 <= count <= MOST_HYPERVISORS:
            raise AnsibleParserError(
                f"{path}: hypervisors is {count}, it can be 1 to {MOST_HYPERVISORS}"
            )
        network = ipaddress.ip_network(self.get_option("network"))
        if network.prefixlen != 24:
            raise AnsibleParserError(f"{path}: network {network} is not a /24")
        checkout = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(path))))
        state_dir = os.path.join(checkout, self.get_option("state_dir"))
        self._computer(network, state_dir)
        self._machine("control", CONTROL_GROUPS, network, CONTROL, None, state_dir)
        self.inventory.set_variable(
            "control", "control_plane_database", self.get_option("database")
        )
        for number in range(count):
            self._machine(
                f"hv{number + 1}",
                HYPERVISOR_GROUPS,
                network,
                FIRST_HYPERVISOR + number,
                FIRST_TUNNEL + number,
                state_dir,
            )

    def _computer(self, network, state_dir):
        outside = list(network.subnets(prefixlen_diff=1))[1]
        self._host("computer", ("lab_computer",))
        for key, value in {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
        }.items():
            self.inventory.set_variable("computer", key, value)
        for key, value in {
            "lab_machine_prefix": self.get_option("prefix"),
            "lab_machine_base": self.get_option("base"),
            "lab_machine_apt_proxy": f"http://{network[1]}:{APT_PROXY_PORT}",
            "lab_state_dir": state_dir,
            "lab_known_hosts": self._known_hosts(state_dir),
            "lab_management_network": f"{network.network_address}/26",
            "lab_computer_address": str(network[1]),
            "lab_external_network": str(outside),
            "lab_external_gateway": str(outside[1]),
            "lab_floating_ip_first": str(outside[12]),
            "lab_floating_ip_last": str(outside[-2]),
        }.items():
            self.inventory.set_variable("all", key, value)

    def _machine(self, name, groups, network, number, tunnel, state_dir):
        self._host(name, ("lab_machines", *groups))
        address = str(network[number])
        about = {
            "ansible_host": address,
            "ansible_user": PLAIN_USER if self.get_option("base") == "plain" else "root",
            "ansible_ssh_private_key_file": os.path.join(state_dir, "id_ed25519"),
            "ansible_host_key_checking": True,
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self._known_hosts(state_dir)}",
            "ansible_python_interpreter": "/usr/bin/python3",
            "underlay_address": address,
            "lab_machine_nics": [],
        }
        if tunnel is not None:
            about["tunnel_address"] = str(network[tunnel])
            about["lab_machine_nics"] = ["tun0", "ext0"]
        for key, value in about.items():
            self.inventory.set_variable(name, key, value)

    def _known_hosts(self, state_dir):
        """Each lab has a file of its own: a lab that is made anew has new keys."""
        return os.path.join(state_dir, f"known_hosts-{self.get_option('prefix')}")

    def _host(self, name, groups):
        self.inventory.add_host(name)
        for group in groups:
            self.inventory.add_group(group)
            self.inventory.add_child(group, name)
