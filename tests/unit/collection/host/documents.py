"""Builders of host documents: what is not said is ordinary."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    Document,
    read_document,
)
from ansible_collections.freehold.cloud.plugins.module_utils.host.sections import SECTIONS


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


IMAGE_ID, SERVER_ID, PORT_ID = uuid(0xA), uuid(0xB), uuid(0xC)


def image(**fields: Any) -> dict[str, Any]:
    return {
        "id": IMAGE_ID,
        "generation": 1,
        "state": "present",
        "disk_format": "qcow2",
        "size_bytes": 1000,
        "checksum": {"algorithm": "sha256", "value": "00"},
        "url": "http://127.0.0.1:5000/v1/images/x",
        "token": "secret-token",
        **fields,
    }


def port(**fields: Any) -> dict[str, Any]:
    return {"id": PORT_ID, "mac": "fa:16:3e:00:00:01", "mtu": 1450, **fields}


def server(**fields: Any) -> dict[str, Any]:
    return {
        "id": SERVER_ID,
        "generation": 1,
        "state": "present",
        "name": "one",
        "description": None,
        "project_id": "p" * 32,
        "flavor": {"name": "m1.tiny", "vcpus": 1, "memory_mib": 128, "root_gib": 1},
        "image_id": IMAGE_ID,
        "power": "on",
        "boot_serial": 1,
        "disk_serial": 1,
        "reboot": "soft",
        "shutdown_timeout_s": 60,
        "ports": [port()],
        "config_drive": {"meta_data": {"uuid": SERVER_ID}, "network_data": {}, "user_data": None},
        **fields,
    }


def snapshot(**fields: Any) -> dict[str, Any]:
    return {
        "id": uuid(0xD),
        "generation": 1,
        "state": "present",
        "server_id": SERVER_ID,
        "url": "http://127.0.0.1:5000/v1/images/x/file",
        "token": "secret-token",
        **fields,
    }


def removed(id_: str, generation: int = 2) -> dict[str, Any]:
    return {"id": id_, "generation": generation, "state": "removed"}


def raw_document(
    images: list[dict[str, Any]] | None = None,
    servers: list[dict[str, Any]] | None = None,
    scope: str = "changes",
    snapshots: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "format": 1,
        "target": {"kind": "host", "name": "hv1"},
        "scope": scope,
        "images": images or [],
        "snapshots": snapshots or [],
        "servers": servers or [],
    }


def document(*args: Any, **kwargs: Any) -> Document:
    return read_document(json.dumps(raw_document(*args, **kwargs)), "host", SECTIONS)
