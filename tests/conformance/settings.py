"""Writes tempest.conf for a running cloud, and makes in the cloud what Tempest takes for given.

Speaks only the OpenStack APIs, as the cloud's administrator. Things are looked for by name first,
so that a second run makes nothing. Tempest makes its own projects and users (dynamic credentials).
"""

from __future__ import annotations

import configparser
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openstack

FLAVORS = {"conformance-1": (1, 128, 1), "conformance-2": (1, 192, 1)}
IMAGES = ("conformance-1", "conformance-2")
BLANK_BYTES = 1 << 20
SERVICES = {
    "nova": "compute",
    "neutron": "network",
    "glance": "image",
    "cinder": "block-storage",
    "swift": "object-store",
    "horizon": "dashboard",
}
# The API tells no client of these; docs/reference/coverage.md says what is here.
COMPUTE_FEATURES = {
    "attach_encrypted_volume": False,
    "change_password": False,
    "cold_migration": False,
    "config_drive": True,
    "console_output": True,
    "disk_config": True,
    "enable_instance_password": True,
    "hostname_fqdn_sanitization": True,
    "ide_bus": False,
    "live_migration": False,
    "metadata_service": False,
    "pause": True,
    "personality": False,
    "rescue": False,
    "resize": False,
    "serial_console": False,
    "shelve": False,
    "snapshot": True,
    "spice_console": False,
    "suspend": True,
    "vnc_console": False,
}
NETWORK_FEATURES = {"ipv6": True, "ipv6_subnet_attributes": True, "port_security": True}
IDENTITY_FEATURES = {"api_v3": True, "security_compliance": True, "trust": True}
# What the cloud's own settings say (lockout_attempts, lockout_s, password_history): no API tells.
COMPLIANCE = {
    "user_lockout_failure_attempts": 3,
    "user_lockout_duration": 5,
    "user_unique_last_password_count": 2,
}


def connect(clouds: Path, name: str) -> openstack.connection.Connection:
    """A connection as one of the clouds in the file."""
    config = openstack.config.OpenStackConfig(config_files=[str(clouds)])
    return openstack.connection.Connection(config=config.get_one(cloud=name))


def write(
    path: Path, cloud: openstack.connection.Connection, image: Path | None, guests: bool
) -> None:
    """Write tempest.conf beside what it needs for locks and logs.

    Args:
        path: The file.
        cloud: The administrator's connection.
        image: A bootable image; None takes a blank one, on which no guest answers.
        guests: Whether Tempest may log in to guests over floating IPs.
    """
    external = _external(cloud, guests)
    ids = _images(cloud, image)
    flavors = [_flavor(cloud, name) for name in FLAVORS]
    sections: dict[str, dict[str, Any]] = {
        "DEFAULT": {"log_dir": path.parent, "log_file": "tempest.log", "debug": False},
        "oslo_concurrency": {"lock_path": path.parent / "locks"},
        "auth": _auth(cloud),
        "identity": {
            "uri_v3": cloud.config.get_auth_args()["auth_url"],
            "auth_version": "v3",
            "region": cloud.config.region_name,
            "v3_endpoint_type": "public",
            **COMPLIANCE,
        },
        "service_available": _services(cloud),
        "compute": {
            "image_ref": ids[0],
            "image_ref_alt": ids[1],
            "flavor_ref": flavors[0],
            "flavor_ref_alt": flavors[1],
            "min_compute_nodes": len(list(cloud.compute.hypervisors())),
            "hypervisor_type": "QEMU",
            "build_interval": 1,
            "build_timeout": 120,
            "max_microversion": _microversion(cloud),
        },
        # Some tests upload random bytes in the formats named here: a raw disk may well be that.
        "image": {"disk_formats": "raw", "container_formats": "bare"},
        "image-feature-enabled": {"image_format_enforcement": False},
        "network": {"public_network_id": external.id, "floating_network_name": external.name},
        "network-feature-enabled": {
            **NETWORK_FEATURES,
            "api_extensions": ",".join(sorted(e.alias for e in cloud.network.extensions())),
        },
        "identity-feature-enabled": IDENTITY_FEATURES,
        "compute-feature-enabled": COMPUTE_FEATURES,
        "validation": {
            "run_validation": guests,
            "image_ssh_user": "root",
            "image_alt_ssh_user": "root",
            "ssh_timeout": 120,
            # The guest's shell is busybox's.
            "ssh_shell_prologue": "set -eu; PATH=$$PATH:/sbin:/usr/sbin;",
        },
    }
    said = configparser.RawConfigParser()
    for section, values in sections.items():
        if section != "DEFAULT":
            said.add_section(section)
        for key, value in values.items():
            said.set(section, key, str(value))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    with path.open("w") as file:
        said.write(file)


def _auth(cloud: openstack.connection.Connection) -> dict[str, Any]:
    said = cloud.config.get_auth_args()
    return {
        "use_dynamic_credentials": True,
        "admin_username": said["username"],
        "admin_password": said["password"],
        "admin_project_name": said["project_name"],
        "admin_domain_name": said.get("user_domain_name", "Default"),
        "default_credentials_domain_name": "Default",
        "tempest_roles": "member",
        "create_isolated_networks": True,
    }


def _services(cloud: openstack.connection.Connection) -> dict[str, bool]:
    offered = {service.type for service in cloud.identity.services() if service.is_enabled}
    return {name: type_ in offered for name, type_ in SERVICES.items()}


def _microversion(cloud: openstack.connection.Connection) -> str:
    return ".".join(map(str, cloud.compute.get_endpoint_data().max_microversion))


def _ensure(found: Any, make: Callable[[], Any]) -> str:
    return str((found or make()).id)


def _flavor(cloud: openstack.connection.Connection, name: str) -> str:
    vcpus, ram, disk = FLAVORS[name]
    return _ensure(
        cloud.compute.find_flavor(name),
        lambda: cloud.compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=disk),
    )


def _images(cloud: openstack.connection.Connection, image: Path | None) -> list[str]:
    source = (
        {"filename": str(image), "disk_format": "qcow2"}
        if image
        else {"data": bytes(BLANK_BYTES), "disk_format": "raw"}
    )
    return [
        _ensure(
            cloud.image.find_image(name),
            lambda name=name: cloud.create_image(
                name, container_format="bare", visibility="public", wait=True, **source
            ),
        )
        for name in IMAGES
    ]


def _external(cloud: openstack.connection.Connection, guests: bool) -> Any:
    """The network with a way out; where no guest needs one, one that nothing is behind will do."""
    found = next(iter(cloud.network.networks(is_router_external=True)), None)
    if found is None and guests:
        sys.exit(
            "The cloud has no external network, over which Tempest would log in to guests: make it"
            " first (`make cloud` does, with playbooks/demo.yml), or run with --no-guests."
        )
    if found is None:
        found = cloud.network.create_network(
            name="external",
            is_router_external=True,
            provider_network_type="flat",
            provider_physical_network="physnet1",
        )
        cloud.network.create_subnet(
            name="external",
            network_id=found.id,
            ip_version=4,
            cidr="192.0.2.0/24",
            is_dhcp_enabled=False,
        )
    return found
