# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of a host document; says what ``docs/reference/documents/host.schema.json`` says."""

from __future__ import annotations

from ansible_collections.freehold.cloud.plugins.module_utils.document import Section
from ansible_collections.freehold.cloud.plugins.module_utils.shape import (
    array,
    integer,
    mapping,
    natural,
    nullable,
    one_of,
    record,
    resource,
    text,
    uuid,
)

IMAGE = {
    "disk_format": one_of("raw", "qcow2"),
    "size_bytes": natural,
    "checksum": record({"algorithm": one_of("md5", "sha256", "sha512"), "value": text}),
    "url": text,
    "token": text,
}

SERVER = {
    "name": text,
    "description": nullable(text),
    "project_id": text,
    "flavor": record(
        {
            "name": text,
            "vcpus": integer(minimum=1),
            "memory_mib": integer(minimum=1),
            "root_gib": natural,
        }
    ),
    "image_id": uuid,
    "power": one_of("on", "off", "paused", "suspended"),
    "boot_serial": natural,
    "disk_serial": integer(minimum=1),
    "reboot": one_of("soft", "hard"),
    "shutdown_timeout_s": natural,
    "ports": array(record({"id": uuid, "mac": text, "mtu": natural})),
    "config_drive": record(
        {"meta_data": mapping, "network_data": mapping, "user_data": nullable(text)}
    ),
}

# The id of a snapshot is that of the image that it becomes.
SNAPSHOT = {"server_id": uuid, "url": text, "token": text}

# Images first: servers are made of them.
SECTIONS = (
    Section("images", "image", resource(IMAGE)),
    Section("snapshots", "snapshot", resource(SNAPSHOT)),
    Section("servers", "server", resource(SERVER)),
)
