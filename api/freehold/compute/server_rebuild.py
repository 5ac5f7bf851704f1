"""Rebuild: the same server (id, addresses, flavor, host) on a fresh disk of an image."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from pydantic import Field, TypeAdapter

from freehold.access import Rule
from freehold.compute import instance_action, server_request
from freehold.compute.capacity import used_by_host
from freehold.compute.hostname import hostname_of
from freehold.compute.keypair import find_keypair
from freehold.compute.link import links
from freehold.compute.placement import room_of
from freehold.compute.server import POWER_ON, Server
from freehold.compute.server_change import apply, ask_host, require_host
from freehold.compute.server_image import disk_gib, usable_image
from freehold.compute.server_metadata import require_room_for
from freehold.compute.server_request import (
    Metadata,
    Name,
    Personality,
    ServerChange,
    UserData,
    check_version,
)
from freehold.compute.server_status import require
from freehold.compute.server_wire import around, wire
from freehold.errors import BadRequest
from freehold.hosts import all_hosts
from freehold.http import Call, Reply
from freehold.http.body import fitting
from freehold.store import lock

POLICY = "os_compute_api:servers:rebuild"
SINCE = {**server_request.SINCE, "key_name": "2.54", "user_data": "2.57"}
RULES = [Rule(POLICY, "rule:admin_or_member", "Rebuild a server")]


class RebuildWish(ServerChange):
    """What a rebuild says; what is left out stays as it is."""

    nullable: ClassVar[frozenset[str]] = frozenset(
        {"description", "key_name", "user_data", "trusted_image_certificates"}
    )

    imageRef: str = Field(max_length=255)  # noqa: N815
    adminPass: str | None = None  # noqa: N815
    metadata: Metadata | None = None
    preserve_ephemeral: bool = False
    personality: list[Personality] = Field(default_factory=list)
    key_name: Name | None = None
    user_data: UserData | None = None
    trusted_image_certificates: list[str] | None = None


_WISH = TypeAdapter(RebuildWish)


def rebuild(call: Call, server: Server, argument: Any) -> Reply:
    """Make its disk anew; it comes back running if it ran, and stays off if it was off."""
    wish = _read(call, argument)
    require(server, "rebuild", {"active", "stopped", "error"})
    require_host(server)
    image_id = wish.imageRef.rsplit("/", 1)[-1]
    image = usable_image(call, image_id, server.memory_mib, server.root_gib)
    _claim(call, server, disk_gib(server.root_gib, image))
    server.image_id = image.id
    _rewrite(call, server, wish)
    password = wish.adminPass or secrets.token_urlsafe(9)
    server.sealed_password = call.access.vault.close(password)
    server.disk_serial += 1
    if server.power == POWER_ON:
        server.boot_serial, server.reboot = server.boot_serial + 1, None
    instance_action.begin(call, server, "rebuild")
    ask_host(call, server)
    call.audit("rebuild", "server", server.id, image=server.image_id)
    return _reply(call, server, password)


def _claim(call: Call, server: Server, needed_gib: int) -> None:
    """Let it take this much of its host's disk: more only if the host has it."""
    more = needed_gib - server.disk_gib
    if more > 0:
        lock(call.session, "hosts")
        (host,) = (one for one in all_hosts(call.session) if one.name == server.host)
        room = room_of(host, used_by_host(call.session)[host.name], call.config)
        if more > room.free_disk_gib:
            raise BadRequest(
                f"No valid host was found. {host.name} has {max(room.free_disk_gib, 0)} GiB of "
                f"disk free, {more} more are wanted. Choose a smaller image, or free room."
            )
    server.disk_gib = needed_gib


def _read(call: Call, argument: Any) -> RebuildWish:
    wish: RebuildWish = fitting(_WISH, argument)
    check_version(call, wish, SINCE)
    if wish.personality:
        raise BadRequest("File injection is not supported by this cloud; use user_data.")
    if wish.trusted_image_certificates:
        raise BadRequest("Image signature certificates are not supported by this cloud.")
    return wish


def _rewrite(call: Call, server: Server, wish: RebuildWish) -> None:
    apply(server, wish)
    if wish.name is not None and "hostname" not in wish.model_fields_set:
        server.hostname = hostname_of(wish.name, server.id)
    if wish.metadata is not None:
        require_room_for(call, server.project_id, wish.metadata)
        server.meta = dict(wish.metadata)
    if "user_data" in wish.model_fields_set:
        server.user_data = wish.user_data
    if "key_name" not in wish.model_fields_set:
        return
    keypair = None
    if wish.key_name is not None:
        keypair = find_keypair(call.session, str(call.caller.user_id), wish.key_name)
        if keypair is None:
            raise BadRequest("Invalid key_name provided.")
    server.key_name = keypair.name if keypair else None
    server.key = keypair.snapshot() if keypair else None


def _reply(call: Call, server: Server, password: str) -> Reply:
    call.session.flush()
    shown = wire(call, server, around(call.session, [server]), whole=call.at_least("2.75"))
    # As when it was created: told once, and to the guest on its config drive.
    shown["adminPass"] = password
    if call.at_least("2.54"):
        shown["key_name"] = server.key_name
    if call.at_least("2.57"):
        shown["user_data"] = server.user_data
        shown.pop("OS-EXT-SRV-ATTR:user_data", None)  # From 2.75 the rest of these is told too.
    return Reply({"server": shown}, 202, {"Location": links(call, "servers", server.id)[0]["href"]})
