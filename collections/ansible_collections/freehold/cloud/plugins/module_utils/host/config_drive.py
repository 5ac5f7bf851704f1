# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The config drive: an ISO 9660 image labelled ``config-2`` that tells a guest who it is.

Format: https://docs.openstack.org/nova/latest/user/metadata.html#config-drives
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.host.command import run_command


def files_of(drive: Mapping[str, Any]) -> dict[str, bytes]:
    """The drive's files by path.

    Raises:
        CloudError: USER_DATA_INVALID, when user data is not base64.
    """
    files = {
        "openstack/latest/meta_data.json": json.dumps(drive["meta_data"]).encode(),
        "openstack/latest/network_data.json": json.dumps(drive["network_data"]).encode(),
    }
    if drive["user_data"] is not None:
        try:
            user_data = base64.b64decode(drive["user_data"], validate=True)
        except (binascii.Error, ValueError):
            raise CloudError(
                "USER_DATA_INVALID", "The server's user data is not base64", "when_changed"
            ) from None
        files["openstack/latest/user_data"] = user_data
    return files


def write_drive(drive: Mapping[str, Any], path: str) -> None:
    """Write the image to ``path``, whole or not at all; only root (then QEMU) may read it."""
    folder = os.path.dirname(path)
    content = tempfile.mkdtemp(prefix=".drive-", dir=folder)  # mode 0700
    try:
        for name, data in files_of(drive).items():
            target = os.path.join(content, "drive", name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(data)
        image = os.path.join(content, "drive.iso")
        run_command(
            ["genisoimage", "-quiet", "-J", "-r", "-V", "config-2", "-o", image, content + "/drive"]
        )
        os.chmod(image, 0o600)
        os.rename(image, path)
    finally:
        shutil.rmtree(content, ignore_errors=True)
