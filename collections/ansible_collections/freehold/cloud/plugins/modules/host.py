#!/usr/bin/python
# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: host
short_description: Bring the images and servers of a host to what a document says
version_added: 0.1.0
description:
  - Reads a host document on the controller, as data and never as a template, and converges the
    target on it.
  - Images are fetched into the host's cache; servers are libvirt domains with a disk on an image,
    a config drive, and interfaces on the integration bridge of Open vSwitch.
  - Nothing is removed that the document does not name as removed.
  - What was done and found for each resource is written to O(result); the return is a summary.
author:
  - The Freehold authors (@freehold)
options:
  src:
    description: Path of the document on the controller. Its schema is C(host.schema.json).
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
attributes:
  check_mode:
    description: Looks and plans, and changes nothing on the target.
    support: full
  diff_mode:
    description: Shows the fields that change, by resource.
    support: full
requirements:
  - python3-libvirt
  - qemu-img
  - genisoimage
  - Open vSwitch with OVN's ovn-controller
"""

EXAMPLES = r"""
- name: The host is as the document says
  freehold.cloud.host:
    src: /run/freehold/jobs/1/document.json
    result: /run/freehold/jobs/1/result.json
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
from ansible_collections.freehold.cloud.plugins.module_utils.host.actions import Folders
from ansible_collections.freehold.cloud.plugins.module_utils.host.libvirt_host import LibvirtHost
from ansible_collections.freehold.cloud.plugins.module_utils.host.lock import host_lock
from ansible_collections.freehold.cloud.plugins.module_utils.host.sections import SECTIONS
from ansible_collections.freehold.cloud.plugins.module_utils.host.target import (
    HostTarget,
    read_traits,
)
from ansible_collections.freehold.cloud.plugins.module_utils.lifecycle import (
    DOCUMENT_ARGUMENTS,
    converge,
)


def open_host(document: Document) -> HostTarget:
    """The host that the module runs on; the document's name for it is only repeated."""
    return HostTarget(LibvirtHost(), Folders(), read_traits())


def main() -> None:
    module = AnsibleModule(argument_spec=DOCUMENT_ARGUMENTS, supports_check_mode=True)
    with host_lock(module):
        converge(module, "host", SECTIONS, open_host)


if __name__ == "__main__":
    main()
