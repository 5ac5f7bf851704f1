# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host as a target of the lifecycle: what is seen there, and in which order steps are done."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    CloudError,
    Document,
    Resource,
    Step,
    Verdict,
)
from ansible_collections.freehold.cloud.plugins.module_utils.host import (
    domain_xml,
    image,
    open_vswitch,
    plan,
    snapshot,
)
from ansible_collections.freehold.cloud.plugins.module_utils.host.actions import Actions, Folders
from ansible_collections.freehold.cloud.plugins.module_utils.host.libvirt_host import LibvirtHost
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import (
    HostSeen,
    HostTraits,
    ImageSeen,
    ServerSeen,
)
from ansible_collections.freehold.cloud.plugins.module_utils.lifecycle import Applied

TRAITS = "/etc/freehold/hypervisor.json"
# How long a job waits for OVN after starts, before it says `pending`.
_BIND_WAIT_S = 10
# Servers handled at once: most of the time is waiting for guests, and QEMU starts are heavy.
_SERVERS_AT_ONCE = 16
_IMAGES_AT_ONCE = 2
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")

_Plan = Mapping[tuple[str, str], Sequence[Step]]


def read_traits(path: str = TRAITS) -> HostTraits:
    """Read what the hypervisor role probed.

    Raises:
        CloudError: HOST_NOT_PREPARED, when the role has not run here.
    """
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        return HostTraits(data["virt_type"], data["cpu_model"], data["datapath"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CloudError(
            "HOST_NOT_PREPARED",
            f"{path} cannot be read ({error!r}); run playbooks/site.yml for this host",
        ) from None


class HostTarget:
    """Images and servers of this host; see ``lifecycle.Target``."""

    def __init__(self, libvirt: LibvirtHost, folders: Folders, traits: HostTraits) -> None:
        self._libvirt = libvirt
        self._folders = folders
        self._traits = traits
        self._actions = Actions(folders, libvirt, traits)

    def observe(self, document: Document) -> HostSeen:
        servers = list(document.of("server"))
        ports = {
            port["id"]
            for server in servers
            if not server.removed
            for port in server.wanted["ports"]
        }
        copied = {one.wanted["server_id"] for one in document.of("snapshot") if not one.removed}
        bound = open_vswitch.bound_ports(sorted(ports))
        left = open_vswitch.interfaces_of(server.id for server in servers if server.removed)
        going = {one.id for one in document.of("image") if one.removed}
        image_ids = {one.id for one in document.of("image")} | {
            server.wanted["image_id"] for server in servers if not server.removed
        }
        images = {id_: self._observe_image(id_, id_ in going) for id_ in image_ids}
        everything = document.wants_everything
        return HostSeen(
            images={id_: seen for id_, seen in images.items() if seen},
            servers={
                id_: self._observe_server(id_, bound, left.get(id_, ()))
                for id_ in copied | {server.id for server in servers}
            },
            snapshots={
                one.id: snapshot.look(one.wanted)
                for one in document.of("snapshot")
                if not one.removed
            },
            image_users=self._image_users() if going else {},
            all_images=frozenset(_uuids_in(self._folders.image())) if everything else frozenset(),
            all_servers=frozenset([*self._libvirt.server_ids(), *_uuids_in(self._folders.server())])
            if everything
            else frozenset(),
        )

    def _observe_image(self, id_: str, going: bool) -> ImageSeen | None:
        path = self._folders.image(id_)
        try:
            return image.inspect_path(path)
        except CloudError:
            # It was checked when it came, so it was damaged here: fetched again, or just removed.
            return ImageSeen("raw", 0, os.path.getsize(path)) if going else None

    def _observe_server(
        self, id_: str, bound: Mapping[str, bool], interfaces: tuple[str, ...]
    ) -> ServerSeen:
        folder = self._folders.server(id_)
        disk, problem = None, None
        try:
            disk = image.inspect_disk(os.path.join(folder, "disk.qcow2"), self._folders.image())
        except CloudError as error:
            problem = error
        definition = self._libvirt.definition(id_)
        record = domain_xml.find_record(definition) if definition else {}
        running = self._libvirt.running_xml(id_)
        serial = record.get("boot_serial")
        drive_there = os.path.exists(os.path.join(folder, "config.iso"))
        return ServerSeen(
            power=self._libvirt.power(id_),
            boot_serial=int(serial) if serial else None,
            definition=record.get("definition", ""),
            drive=record.get("drive", "") if drive_there else "",
            disk_serial=int(record.get("disk_serial", "1")),
            disk=disk,
            problem=problem,
            has_folder=os.path.isdir(folder),
            plugged=domain_xml.plugged_ports(running) if running else frozenset(),
            bound=bound,
            left_interfaces=interfaces,
        )

    def _image_users(self) -> dict[str, frozenset[str]]:
        users: dict[str, set[str]] = {}
        for id_ in _uuids_in(self._folders.server()):
            disk = None
            with contextlib.suppress(CloudError):  # a damaged disk stands on nothing
                path = os.path.join(self._folders.server(id_), "disk.qcow2")
                disk = image.inspect_disk(path, self._folders.image())
            if disk:
                users.setdefault(disk.image_id, set()).add(id_)
        return {image_id: frozenset(ids) for image_id, ids in users.items()}

    def plan(self, document: Document, have: HostSeen) -> dict[tuple[str, str], list[Step]]:
        return plan.plan_host(document, have, self._traits)

    def apply(self, document: Document, steps: _Plan, have: HostSeen) -> Applied:
        """Images that come, copies of disks, then servers side by side, then images that go."""
        applied = Applied()
        copied = {one.wanted["server_id"] for one in document.of("snapshot") if not one.removed}
        self._folders.sweep(copied | {server.id for server in document.of("server")})

        def do(resource: Resource) -> None:
            seen = have.server(resource.id)
            for step in steps.get(resource.key, ()):
                try:
                    self._actions.perform(resource, step, seen)
                except CloudError as error:
                    applied.failed(resource.key, error)
                    return
                except Exception as error:  # noqa: BLE001 - the edge: one resource must not stop others
                    message = f"{step.sentence} failed: {type(error).__name__}: {error}"
                    applied.failed(resource.key, CloudError("STEP_FAILED", message))
                    return
                applied.did(resource.key, step)

        images = list(document.of("image"))
        _side_by_side(do, (one for one in images if not one.removed), _IMAGES_AT_ONCE)
        # Before their servers change: a copy is of the disk as it was when it was asked for.
        _side_by_side(do, document.of("snapshot"), _IMAGES_AT_ONCE)
        lost = {one.id for one in images if one.key in applied.errors}
        _side_by_side(
            do,
            (
                server
                for server in document.of("server")
                # A new server whose image did not come is not failed: it waits.
                if server.removed
                or server.wanted["image_id"] not in lost
                or have.server(server.id).disk is not None
            ),
            _SERVERS_AT_ONCE,
        )
        _side_by_side(do, (one for one in images if one.removed), _IMAGES_AT_ONCE)
        open_vswitch.wait_until_bound(self._actions.plugged, _BIND_WAIT_S)
        return applied

    def verdict(self, resource: Resource, have: HostSeen) -> Verdict:
        return plan.VERDICTS[resource.type](resource, have)

    def unknown(self, document: Document, have: HostSeen) -> list[dict[str, str]]:
        named = {resource.key for resource in document.resources}
        there = [("image", id_) for id_ in sorted(have.all_images)]
        there += [("server", id_) for id_ in sorted(have.all_servers)]
        return [{"type": type_, "id": id_} for type_, id_ in there if (type_, id_) not in named]

    def facts(self) -> dict[str, Any]:
        space = os.statvfs(self._folders.state)
        return {
            **self._libvirt.facts(),
            "disk_gib": space.f_blocks * space.f_frsize // plan.GIB,
            "virt_type": self._traits.virt_type,
            "cpu_model": self._traits.cpu_model,
        }


def _uuids_in(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if _UUID.match(name)]
    except FileNotFoundError:
        return []


def _side_by_side(
    do: Callable[[Resource], None], resources: Iterable[Resource], at_once: int
) -> None:
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        for _done in pool.map(do, resources):
            pass
