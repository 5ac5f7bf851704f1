#!/usr/bin/env python3
"""Gives a fresh cloud its first contents through the OpenStack APIs, and prints how to go on.

Everything is looked for by name first, so a second run makes nothing. Needs clouds.yaml with the
cloud ``freehold-admin``; adds the cloud ``demo`` to it.
"""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keystoneauth1.exceptions
import openstack
import yaml

FLAVORS = (("tiny", 1, 128, 1), ("small", 1, 512, 5), ("medium", 2, 2048, 20))
PROJECT = "demo"
BOOT_S = 180
HOSTS_S = 120


def say(word: str, what: str) -> None:
    """One line of progress."""
    print(f"{word:8} {what}", flush=True)


def ensure(what: str, find: Callable[[], Any], make: Callable[[], Any]) -> Any:
    """What ``find`` gives, or what ``make`` makes."""
    found = find()
    if found is not None:
        say("found", what)
        return found
    made = make()
    say("made", what)
    return made


def connect(clouds: Path, name: str) -> openstack.connection.Connection:
    """A connection as one of the clouds in the file."""
    config = openstack.config.OpenStackConfig(config_files=[str(clouds)])
    return openstack.connection.Connection(config=config.get_one(cloud=name))


def operate(admin: Any, options: argparse.Namespace) -> None:
    """What the operator gives all tenants: flavors, an image, the way out."""
    for name, vcpus, ram, disk in FLAVORS:
        ensure(
            f"flavor {name}",
            lambda name=name: admin.compute.find_flavor(name),
            lambda name=name, vcpus=vcpus, ram=ram, disk=disk: admin.compute.create_flavor(
                name=name, vcpus=vcpus, ram=ram, disk=disk
            ),
        )
    ensure(
        "image tiny",
        lambda: admin.image.find_image("tiny"),
        lambda: admin.create_image(
            "tiny",
            filename=str(options.image),
            disk_format="qcow2",
            container_format="bare",
            visibility="public",
            min_disk=1,
            min_ram=96,
            wait=True,
        ),
    )
    network = ensure(
        "network external",
        lambda: admin.network.find_network("external"),
        lambda: admin.network.create_network(
            name="external",
            is_router_external=True,
            provider_network_type="flat",
            provider_physical_network="physnet1",
        ),
    )
    first, last = options.pool.split(",")
    ensure(
        "subnet external",
        lambda: admin.network.find_subnet("external", network_id=network.id),
        lambda: admin.network.create_subnet(
            name="external",
            network_id=network.id,
            ip_version=4,
            cidr=options.external,
            gateway_ip=options.gateway,
            is_dhcp_enabled=False,
            allocation_pools=[{"start": first, "end": last}],
        ),
    )


def lets_in(clouds: Path) -> bool:
    """Whether the tenant's cloud in the file is one of this cloud, not of one that is gone."""
    try:
        connect(clouds, PROJECT).authorize()
    except (openstack.exceptions.SDKException, keystoneauth1.exceptions.ClientException):
        return False
    return True


def make_tenant(admin: Any, clouds: Path) -> None:
    """The project ``demo`` and its user, whose password is kept only in clouds.yaml."""
    written = yaml.safe_load(clouds.read_text())
    project = ensure(
        "project demo",
        lambda: admin.identity.find_project(PROJECT),
        lambda: admin.identity.create_project(name=PROJECT, domain_id="default"),
    )
    password = secrets.token_urlsafe(18)
    user = ensure(
        "user demo",
        lambda: admin.identity.find_user(PROJECT),
        lambda: admin.identity.create_user(
            name=PROJECT,
            password=password,
            domain_id="default",
            default_project_id=project.id,
        ),
    )
    role = admin.identity.find_role("member")
    admin.identity.assign_project_role_to_user(project, user, role)
    if PROJECT in written["clouds"] and lets_in(clouds):
        return
    admin.identity.update_user(user, password=password)
    operator = written["clouds"]["freehold-admin"]
    auth = {**operator["auth"], "username": PROJECT, "project_name": PROJECT, "password": password}
    written["clouds"][PROJECT] = {**operator, "auth": auth}
    clouds.write_text(yaml.safe_dump(written))
    say("made", f"cloud demo in {clouds.name}")


def wait_for_hosts(admin: Any) -> None:
    """Until a hypervisor has told what it has; before that nothing can be placed."""
    deadline = time.monotonic() + HOSTS_S
    while time.monotonic() < deadline:
        if any(host.state == "up" for host in admin.compute.hypervisors(details=True)):
            return
        time.sleep(0.5)
    raise SystemExit(
        f"No hypervisor was described within {HOSTS_S} s. On the control host: freehold job list"
    )


def boot(tenant: Any, key: Path) -> tuple[Any, str]:
    """The tenant's network, router, rules, key and first server with a floating IP."""
    network = ensure(
        "network private",
        lambda: tenant.network.find_network("private"),
        lambda: tenant.network.create_network(name="private"),
    )
    subnet = ensure(
        "subnet private",
        lambda: tenant.network.find_subnet("private"),
        lambda: tenant.network.create_subnet(
            name="private", network_id=network.id, ip_version=4, cidr="10.10.0.0/24"
        ),
    )
    ensure("router r1", lambda: tenant.network.find_router("r1"), lambda: route(tenant, subnet))
    allow(tenant)
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    ensure(
        "key pair demo",
        lambda: tenant.compute.find_keypair("demo"),
        lambda: tenant.compute.create_keypair(
            name="demo", public_key=key.with_suffix(".pub").read_text()
        ),
    )
    server = ensure(
        "server first",
        lambda: tenant.compute.find_server("first"),
        lambda: tenant.compute.create_server(
            name="first",
            image_id=tenant.image.find_image("tiny").id,
            flavor_id=tenant.compute.find_flavor("tiny").id,
            networks=[{"uuid": network.id}],
            key_name="demo",
        ),
    )
    server = tenant.compute.wait_for_server(server, wait=BOOT_S, interval=1)
    say("ACTIVE", "server first")
    return server, floating_ip(tenant, server)


def route(tenant: Any, subnet: Any) -> Any:
    """A router between the private network and the outside."""
    external = tenant.network.find_network("external")
    router = tenant.network.create_router(
        name="r1", external_gateway_info={"network_id": external.id}
    )
    tenant.network.add_interface_to_router(router, subnet_id=subnet.id)
    return router


def allow(tenant: Any) -> None:
    """Let ssh and ping in through the default security group."""
    group = tenant.network.find_security_group("default", project_id=tenant.current_project_id)
    for protocol, port in (("tcp", 22), ("icmp", None)):
        rule = {
            "security_group_id": group.id,
            "direction": "ingress",
            "ether_type": "IPv4",
            "protocol": protocol,
            "port_range_min": port,
            "port_range_max": port,
        }
        ensure(
            f"rule {protocol}",
            lambda protocol=protocol: next(
                (
                    found
                    for found in tenant.network.security_group_rules(security_group_id=group.id)
                    if found.protocol == protocol and found.direction == "ingress"
                ),
                None,
            ),
            lambda rule=rule: tenant.network.create_security_group_rule(**rule),
        )


def floating_ip(tenant: Any, server: Any) -> str:
    """The floating IP of the server's one port."""
    (port,) = tenant.network.ports(device_id=server.id)
    external = tenant.network.find_network("external")
    made = ensure(
        "floating IP",
        lambda: next(iter(tenant.network.ips(port_id=port.id)), None),
        lambda: tenant.network.create_ip(floating_network_id=external.id, port_id=port.id),
    )
    address: str = made.floating_ip_address
    return address


def wait_for_ssh(address: str, key: Path) -> None:
    """Until the guest lets the key in."""
    command = [
        *("ssh", "-i", str(key), "-o", "BatchMode=yes", "-o", "ConnectTimeout=3"),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
        *("-o", "LogLevel=ERROR", f"root@{address}", "hostname"),
    ]
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            say("answers", f"{answer.stdout.strip()} at {address}")
            return
        time.sleep(0.5)
    raise SystemExit(
        f"The server is ACTIVE but does not let the key in at {address}: {answer.stderr.strip()}\n"
        "Look at: OS_CLOUD=demo .venv/bin/openstack console log show first"
    )


def main() -> None:
    """All of it, in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("clouds", "image", "key"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("external", "gateway", "pool"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    admin = connect(options.clouds, "freehold-admin")
    operate(admin, options)
    make_tenant(admin, options.clouds)
    wait_for_hosts(admin)
    tenant = connect(options.clouds, PROJECT)
    _, address = boot(tenant, options.key)
    wait_for_ssh(address, options.key)
    key = (
        options.key.relative_to(Path.cwd())
        if options.key.is_relative_to(Path.cwd())
        else options.key
    )
    print(
        "\nYour cloud works. Go on with:\n"
        "  export OS_CLOUD=demo PATH=$PWD/.venv/bin:$PATH\n"
        "  openstack server list\n"
        f"  ssh -i {key} root@{address}\n"
        "  make lab-shell            # on the control host: freehold job list\n"
        "  make cloud-down           # remove everything again"
    )


if __name__ == "__main__":
    sys.exit(main())
