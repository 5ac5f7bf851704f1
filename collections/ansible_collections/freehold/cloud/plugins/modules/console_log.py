#!/usr/bin/python
# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: console_log
short_description: Read the end of a server's console log
version_added: 0.1.0
description:
  - Reads what a server of this host wrote to its serial console since it was last started.
  - The text goes to the file O(result) on the controller and nowhere else.
author:
  - The Freehold authors (@freehold)
options:
  id:
    description: The server's id.
    type: str
    required: true
  length:
    description: How many lines to read from the end; without it, all. Never more than 1 MiB.
    type: int
  result:
    description:
      - Path of a JSON file on the controller, written with mode 0600.
      - It holds C(format), C(id), C(found) (whether there is a log) and C(output).
    type: path
    required: true
attributes:
  check_mode:
    description: Reads, and changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: The last lines of the console are on the controller
  freehold.cloud.console_log:
    id: 3f0c3a63-9b5c-4f36-a6d9-7d6f8e1c2a11
    length: 50
    result: /run/freehold/jobs/1/result.json
"""

RETURN = r"""
found:
  description: Whether the server has a console log on this host.
  returned: success
  type: bool
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.freehold.cloud.plugins.module_utils.host.actions import Folders
from ansible_collections.freehold.cloud.plugins.module_utils.host.console import last_lines
from ansible_collections.freehold.cloud.plugins.module_utils.shape import ShapeError, uuid


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str", "required": True},
            "length": {"type": "int"},
            "result": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    server_id, length = module.params["id"], module.params["length"]
    try:
        uuid(server_id, "id")
    except ShapeError as error:
        module.fail_json(msg=str(error))
    if length is not None and length < 0:
        module.fail_json(msg="length must be at least 0")
    path = os.path.join(Folders().server(server_id), "console.log")
    try:
        with open(path, "rb") as file:
            output, found = last_lines(file, length), True
    except FileNotFoundError:
        output, found = "", False
    except OSError as error:
        module.fail_json(msg=f"The console log {path} cannot be read: {error}")
    result = {"format": 1, "id": server_id, "found": found, "output": output}
    module.exit_json(changed=False, found=found, result=json.dumps(result))


if __name__ == "__main__":
    main()
