"""``POST /servers``: from a wish to rows, ports, claim and due targets in one transaction.

Order: what can be refused by looking at the request alone; what it names (flavor, image, key,
zone); quota by row sums; placement; rows; ports; targets; audit. Nothing is done on a machine here.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from freehold.access import Rule, hold, limits_of, require_room
from freehold.access.quota import UNLIMITED, Limit
from freehold.compute import instance_action
from freehold.compute.capacity import Used, used_by_host, used_by_project
from freehold.compute.flavor import Flavor, usable_flavor
from freehold.compute.hostname import hostname_of, numbered
from freehold.compute.keypair import KeyPair, find_keypair
from freehold.compute.link import links
from freehold.compute.placement import Choice, Request, place, room_of
from freehold.compute.quota import QUOTA_DEFAULTS
from freehold.compute.server import Server, ServerTag
from freehold.compute.server_image import disk_gib, usable_image
from freehold.compute.server_metadata import require_room_for
from freehold.compute.server_request import (
    CreateBody,
    NetworkWish,
    ServerWish,
    boots_from_image,
    check_version,
)
from freehold.errors import BadRequest, Forbidden, NotFound
from freehold.hosts import Host, all_hosts
from freehold.http import Call, Reply, Routes
from freehold.image import Image
from freehold.jobs import Fault, want
from freehold.network import PortWish, plug
from freehold.store import lock, new_id

POLICY = "os_compute_api:servers:create"
RULES = [
    Rule(POLICY, "rule:admin_or_member", "Create a server"),
    Rule(f"{POLICY}:forced_host", "rule:admin_required", "Name a server's host, zone:host"),
    Rule(
        "compute:servers:create:requested_destination", "rule:admin_required", "The same by field"
    ),
]
SEED_BYTES = 512


@dataclass(frozen=True)
class Parts:
    """What a wish names, found and allowed."""

    flavor: Flavor
    image: Image
    keypair: KeyPair | None
    zone: str | None
    host: str | None
    hosts: Sequence[Host]


def create_server(call: Call, body: CreateBody) -> Reply:
    """Write servers down and mark what has to move; 202 before any machine has heard of it."""
    wish = body.server
    check_version(call, wish)
    _check_wish(call, body)
    parts = _parts(call, wish)
    count = _affordable(call, wish, parts.flavor)
    password = wish.adminPass or secrets.token_urlsafe(9)
    servers = _rows(call, wish, parts, count, password)
    choices = _place(call, parts, servers)
    for server, choice in zip(servers, choices, strict=True):
        _start(call, wish, server, choice)
    if wish.return_reservation_id:
        return Reply({"reservation_id": servers[0].reservation_id}, 202)
    return _reply(call, wish, servers[0], password)


def _reply(call: Call, wish: ServerWish, server: Server, password: str) -> Reply:
    groups = wish.security_groups
    named = [{"name": group.name} for group in groups if group.name] if groups is not None else None
    self_links = links(call, "servers", server.id)
    shown = {
        "id": server.id,
        "links": self_links,
        "OS-DCF:diskConfig": server.disk_config,
        "security_groups": [{"name": "default"}] if named is None else named,
        # Told once; the guest finds it on its config drive, as nova's guests do.
        "adminPass": password,
    }
    return Reply({"server": shown}, 202, {"Location": self_links[0]["href"]})


def _check_wish(call: Call, body: CreateBody) -> None:
    wish = body.server
    if call.caller.project_id is None:
        raise Forbidden("A server belongs to a project: use a token that is scoped to one.")
    if wish.max_count is not None and wish.min_count > wish.max_count:
        raise BadRequest("min_count must be <= max_count")
    if not wish.imageRef:
        raise BadRequest(
            "Invalid imageRef provided. Name an image: this cloud has no volumes to boot from yet."
        )
    mappings = [*wish.block_device_mapping, *wish.block_device_mapping_v2]
    if any(not boots_from_image(mapping, wish.imageRef) for mapping in mappings):
        raise BadRequest(
            "Block Device Mapping is Invalid: this cloud has no volumes yet; name imageRef only."
        )
    if wish.personality:
        raise BadRequest("File injection is not supported by this cloud; use user_data.")
    if wish.trusted_image_certificates:
        raise BadRequest("Image signature certificates are not supported by this cloud.")
    if group := {**body.old_hints, **body.hints}.get("group"):
        raise BadRequest(f"Instance group {str(group)[:64]} could not be found.")
    _check_several(wish)


def _check_several(wish: ServerWish) -> None:
    if (wish.max_count or wish.min_count) == 1:
        return
    networks = wish.networks if isinstance(wish.networks, list) else []
    if any(network.port for network in networks):
        raise BadRequest("Port ID is not applicable with multiple instances: name a network.")
    if any(network.fixed_ip for network in networks):
        raise BadRequest("Invalid fixed IP and maximum count: one address serves one server.")
    if wish.hostname is not None:
        raise BadRequest("Unable to allocate a single hostname to multiple instances")


def _parts(call: Call, wish: ServerWish) -> Parts:
    flavor = usable_flavor(call.session, call.caller, str(wish.flavorRef).rsplit("/", 1)[-1])
    image = usable_image(call, wish.imageRef, flavor.memory_mib, flavor.root_gib)
    keypair = None
    if wish.key_name is not None:
        keypair = find_keypair(call.session, str(call.caller.user_id), wish.key_name)
        if keypair is None:
            raise BadRequest("Invalid key_name provided.")
    hosts = all_hosts(call.session)
    zone, host = _destination(call, wish, hosts)
    return Parts(flavor, image, keypair, zone, host, hosts)


def _destination(
    call: Call, wish: ServerWish, hosts: Sequence[Host]
) -> tuple[str | None, str | None]:
    """Zone and host that are asked for: ``zone``, ``zone:host`` (operators), ``host`` from 2.74."""
    zone, _, host = (wish.availability_zone or "").partition(":")
    host = host.partition(":")[0]
    if host:
        call.enforce(f"{POLICY}:forced_host")
    if wish.host or wish.hypervisor_hostname:
        call.enforce("compute:servers:create:requested_destination")
        if host:
            raise BadRequest(
                "One mechanism with host and/or hypervisor_hostname and another mechanism with "
                "zone:host:node are mutually exclusive."
            )
        named = {wish.host, wish.hypervisor_hostname} - {None}
        host = str(wish.host or wish.hypervisor_hostname)
        if len(named) > 1:
            raise BadRequest(
                f"No host is named {wish.host} and {wish.hypervisor_hostname} at once."
            )
    if host and host not in {known.name for known in hosts}:
        raise BadRequest(f"Compute host {host} could not be found.")
    # An operator's host wins over the zone that stands beside it, as in nova.
    if zone and not host and zone not in {known.availability_zone for known in hosts}:
        raise BadRequest("The requested availability zone is not available")
    return (zone if zone and not host else None), host or None


def _affordable(call: Call, wish: ServerWish, flavor: Flavor) -> int:
    """How many servers the project's quota lets the request have, from min_count up to max_count.

    Raises:
        QuotaExceeded: Fewer than min_count, or too much metadata.
    """
    project_id = str(call.caller.project_id)
    hold(call.session, project_id, "compute")
    limits = limits_of(call.session, project_id, "compute", QUOTA_DEFAULTS)
    require_room_for(call, project_id, wish.metadata)
    used = used_by_project(call.session, project_id)
    each = {
        "instances": (used.servers, 1),
        "cores": (used.vcpus, flavor.vcpus),
        "ram": (used.memory_mib, flavor.memory_mib),
    }
    count = wish.max_count or wish.min_count
    for name, (there, one) in each.items():
        if limits[name] != UNLIMITED and one > 0:
            count = min(count, max(limits[name] - there, 0) // one)
    if count < wish.min_count:
        asked = [Limit(name, there, one * wish.min_count) for name, (there, one) in each.items()]
        require_room(call.session, project_id, "compute", QUOTA_DEFAULTS, asked)
    return count


def _rows(call: Call, wish: ServerWish, parts: Parts, count: int, password: str) -> list[Server]:
    reservation_id = f"r-{secrets.token_hex(4)}"
    keypair, flavor = parts.keypair, parts.flavor
    description = wish.description if call.at_least("2.19") else wish.name
    servers = []
    for position in range(count):
        server_id, name = new_id(), numbered(wish.name, position, count)
        servers.append(
            Server(
                id=server_id,
                project_id=call.caller.project_id,
                user_id=call.caller.user_id,
                name=name,
                description=description,
                hostname=wish.hostname or hostname_of(name, server_id),
                availability_zone=parts.zone,
                image_id=parts.image.id,
                flavor_id=flavor.id,
                flavor=flavor.snapshot(),
                vcpus=flavor.vcpus,
                memory_mib=flavor.memory_mib,
                root_gib=flavor.root_gib,
                disk_gib=disk_gib(flavor.root_gib, parts.image),
                key_name=keypair.name if keypair else None,
                key=keypair.snapshot() if keypair else None,
                user_data=wish.user_data,
                sealed_password=call.access.vault.close(password),
                random_seed=base64.b64encode(secrets.token_bytes(SEED_BYTES)).decode(),
                meta=dict(wish.metadata),
                access_ip_v4=str(wish.accessIPv4) if wish.accessIPv4 else None,
                access_ip_v6=str(wish.accessIPv6) if wish.accessIPv6 else None,
                disk_config=wish.disk_config,
                reservation_id=reservation_id,
                launch_index=position,
                created_at=call.now,
                updated_at=call.now,
                deadline=call.now + timedelta(seconds=call.config.build_time_limit_s),
                tag_rows=[ServerTag(tag=tag) for tag in dict.fromkeys(wish.tags)],
            )
        )
    return servers


def _place(call: Call, parts: Parts, servers: Sequence[Server]) -> list[Choice]:
    """Choose a host for each. The claim is the row itself, so the sums have to stand still.

    Ports are plugged below it: the order quota → hosts → addresses has no cycle, since nothing that
    holds addresses asks for hosts.
    """
    lock(call.session, "hosts")
    used = used_by_host(call.session)
    rooms = [room_of(host, used.get(host.name, Used()), call.config) for host in parts.hosts]
    requests = [
        Request(server.vcpus, server.memory_mib, server.disk_gib, parts.zone, parts.host)
        for server in servers
    ]
    return place(rooms, requests)


def _start(call: Call, wish: ServerWish, server: Server, choice: Choice) -> None:
    """Give one server its host and ports, or the fault that says why it has none."""
    server.host = choice.host
    if choice.host is None:
        fault = Fault(
            code="NO_VALID_HOST", message=choice.report, at=call.now, retry="when_changed"
        )
        server.fault = fault.model_dump(mode="json")
        server.satisfied, server.deadline = 1, None
    call.session.add(server)
    call.session.flush()
    instance_action.begin(call, server, "create")
    call.audit("create", "server", server.id, host=choice.host)
    if choice.host is None:
        call.session.flush()
        instance_action.finish(call.session, [server.id], call.now, choice.report)
        return
    _plug(call, wish, server, choice.host)
    want(call.session, "host", choice.host, call.now)


def _plug(call: Call, wish: ServerWish, server: Server, host: str) -> None:
    wishes = None if wish.networks in (None, "auto") else _port_wishes(wish.networks)
    groups = wish.security_groups or []
    names = list(dict.fromkeys(group.name for group in groups if group.name))
    try:
        plug(
            call.session,
            call.caller,
            call.may,
            server.id,
            server.project_id,
            host,
            wishes,
            names or None,
            call.now,
        )
    except NotFound as error:
        # The server is what was asked for; a network that is not there is a mistake in the asking.
        raise BadRequest(error.message, kind=error.kind) from error


def _port_wishes(networks: list[NetworkWish] | str) -> list[PortWish]:
    if isinstance(networks, str):
        return []
    wishes = []
    seen: set[str] = set()
    for network in networks:
        if network.port is not None:
            port_id = str(network.port)
            if port_id in seen:
                raise BadRequest(
                    f"Port ID '{port_id}' was specified twice: you cannot attach a port "
                    "multiple times."
                )
            if network.fixed_ip is not None:
                raise BadRequest(
                    f"Specified Fixed IP '{network.fixed_ip}' cannot be used with port "
                    f"'{port_id}': the two cannot be specified together."
                )
            seen.add(port_id)
            wishes.append(PortWish(port_id=port_id, tag=network.tag))
        elif network.uuid is not None:
            address = str(network.fixed_ip) if network.fixed_ip else None
            wishes.append(PortWish(network_id=str(network.uuid), fixed_ip=address, tag=network.tag))
        else:
            raise BadRequest("Bad network format: missing 'uuid'")
    return wishes


def routes(table: Routes) -> None:
    """Serve it."""
    table.add("POST", "/servers", create_server, policy=POLICY, status=202)
