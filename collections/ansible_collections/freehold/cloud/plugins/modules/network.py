#!/usr/bin/python
# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: network
short_description: Bring OVN's logical network to what a document says
version_added: 0.1.0
description:
  - Reads a network document on the controller, as data and never as a template, and converges the
    OVN northbound database of the target on it.
  - Networks become logical switches, subnets DHCP options, ports switch ports, security groups port
    groups with ACLs, routers logical routers with their ports, routes, gateways and source NAT,
    floating IPs NAT rows.
  - All changes of a document are one transaction. Only rows that the document concerns are read.
  - Rows get C(external_ids:freehold=TYPE/ID). Rows, and keys in maps, that others made are left
    alone; a resource that others still use is not removed before them.
  - Nothing is removed that the document does not name as removed.
  - What was done and found for each resource is written to O(result); the return is a summary.
author:
  - The Freehold authors (@freehold)
options:
  src:
    description: Path of the document on the controller. Its schema is C(network.schema.json).
    type: path
    required: true
  result:
    description:
      - Path of the result on the controller, written also in check mode.
      - Its schema is C(result.schema.json).
    type: path
    required: true
  document:
    description: The document's text, which the action plugin reads from O(src). Tasks leave it out.
    type: str
  remote:
    description: The northbound database as the target sees it, C(unix:PATH) or C(tcp:HOST:PORT).
    type: str
    default: unix:/var/run/ovn/ovnnb_db.sock
attributes:
  check_mode:
    description: Looks and plans, and changes nothing in the database.
    support: full
  diff_mode:
    description: Shows the rows and columns that change, by resource.
    support: full
requirements:
  - OVN 23.03 or newer
"""

EXAMPLES = r"""
- name: The logical network is as the document says
  freehold.cloud.network:
    src: /run/freehold/jobs/1/document.json
    result: /run/freehold/jobs/1/result.json

- name: What would change in a database that listens on TCP
  freehold.cloud.network:
    src: /tmp/document.json
    result: /tmp/result.json
    remote: tcp:192.0.2.10:6641
  check_mode: true
  diff: true
"""

RETURN = r"""
counts:
  description: How many resources ended in which outcome.
  returned: success
  type: dict
  sample: {"changed": 2, "unchanged": 1}
steps:
  description: What was (in check mode, would be) done, in order, at most 200.
  returned: success
  type: list
  elements: str
  sample: ["network 6b1f7d0c-…: create logical switch freehold-6b1f7d0c-…"]
times:
  description: When the module began (epoch, by the target's clock), and seconds by part of it.
  returned: success
  type: dict
  sample: {"began": 1795248000.5, "observe": 0.02, "plan": 0.001, "apply": 0.9}
errors:
  description: Errors by resource.
  returned: success
  type: dict
error:
  description: Why nothing could be converged at all.
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.freehold.cloud.plugins.module_utils.document import Document
from ansible_collections.freehold.cloud.plugins.module_utils.lifecycle import (
    DOCUMENT_ARGUMENTS,
    converge,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.sections import SECTIONS
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.target import NetworkTarget
from ansible_collections.freehold.cloud.plugins.module_utils.ovsdb_client import OvsdbClient


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCUMENT_ARGUMENTS,
            "remote": {"type": "str", "default": "unix:/var/run/ovn/ovnnb_db.sock"},
        },
        supports_check_mode=True,
    )

    def open_database(document: Document) -> NetworkTarget:
        return NetworkTarget(OvsdbClient(module.params["remote"]))

    converge(module, "network", SECTIONS, open_database)


if __name__ == "__main__":
    main()
