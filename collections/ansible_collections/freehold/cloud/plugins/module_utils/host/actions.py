# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each step of a host's plan does. Each can be done again after a crash at any point."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    CloudError,
    Resource,
    Step,
)
from ansible_collections.freehold.cloud.plugins.module_utils.host import (
    config_drive,
    disk_image,
    domain_xml,
    image,
    open_vswitch,
    plan,
    snapshot,
)
from ansible_collections.freehold.cloud.plugins.module_utils.host.libvirt_host import LibvirtHost
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import (
    HostTraits,
    ImageSeen,
    ServerSeen,
)


@dataclass(frozen=True)
class Folders:
    """Where images and servers live on the host."""

    state: str = "/var/lib/freehold"

    def image(self, id_: str = "") -> str:
        return os.path.join(self.state, "images", id_)

    def server(self, id_: str = "") -> str:
        return os.path.join(self.state, "servers", id_)

    def sweep(self, server_ids: Iterable[str]) -> None:
        """Remove what runs that were killed left half done, of all images and of these servers.

        Only for who has the host's lock: then nobody is at these files.
        """
        patterns = [self.image(".*.part")]
        for id_ in server_ids:
            patterns += [os.path.join(self.server(id_), name) for name in ("*.part", ".drive-*")]
        for path in (path for pattern in patterns for path in glob.glob(pattern)):
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)


class Actions:
    """The acting half of the host target; deciding is all in ``plan``."""

    def __init__(self, folders: Folders, libvirt: LibvirtHost, traits: HostTraits) -> None:
        self._folders = folders
        self._libvirt = libvirt
        self._traits = traits
        # Ports that OVN is to bind: waited for once and for all servers, when all are started.
        self.plugged: list[str] = []

    def perform(self, resource: Resource, step: Step, seen: ServerSeen) -> None:
        """Do one step.

        Raises:
            CloudError: what failed; the steps after it must not be done.
        """
        one = resource.wanted
        match step.action:
            case plan.FETCH_IMAGE:
                os.makedirs(self._folders.image(), mode=0o755, exist_ok=True)
                image.fetch(one, self._folders.image(one["id"]))
            case plan.REMOVE_IMAGE:
                os.unlink(self._folders.image(one["id"]))
            case plan.TAKE_SNAPSHOT:
                self._take_snapshot(one)
            case plan.CLONE_DISK:
                self._clone_disk(one)
            case plan.GROW_DISK:
                self._grow_disk(one)
            case plan.WRITE_DRIVE:
                config_drive.write_drive(
                    one["config_drive"], os.path.join(self._make_folder(one["id"]), "config.iso")
                )
            case plan.DEFINE:
                self._define(one, seen.boot_serial)
            case plan.START:
                self._start(one)
            case plan.REBOOT:
                self._reboot(one)
            case plan.SHUT_DOWN:
                self._libvirt.shut_down(one["id"], one["shutdown_timeout_s"])
            case plan.FORCE_OFF:
                self._libvirt.force_off(one["id"])
            case plan.PAUSE | plan.UNPAUSE | plan.SUSPEND | plan.RESUME | plan.FORGET_MEMORY:
                self._change_running(one, step.action)
            case plan.PLUG | plan.UNPLUG:
                self._change_port(one["id"], step)
            case plan.UNDEFINE:
                self._libvirt.undefine(one["id"])
            case plan.REMOVE_INTERFACES:
                for name in step.arguments["names"]:
                    open_vswitch.remove_interface(name)
            case plan.REMOVE_FOLDER:
                shutil.rmtree(self._folders.server(one["id"]))
            case unknown:
                raise ValueError(f"no action {unknown!r}")

    def _make_folder(self, server_id: str) -> str:
        # QEMU's user must pass through, nobody need list it.
        folder = self._folders.server(server_id)
        os.makedirs(folder, mode=0o711, exist_ok=True)
        return folder

    def _base_of(self, server: Mapping[str, Any]) -> tuple[str, ImageSeen]:
        base = self._folders.image(server["image_id"])
        seen = image.inspect_path(base)
        if seen is None:
            raise CloudError(
                "IMAGE_MISSING",
                f"Image {server['image_id']} is not on this host (see its own error)",
            )
        return base, seen

    def _clone_disk(self, server: Mapping[str, Any]) -> None:
        base, seen = self._base_of(server)
        if misfit := plan.image_misfit(server, seen):
            raise misfit
        disk = os.path.join(self._make_folder(server["id"]), "disk.qcow2")
        part = f"{disk}.part"
        size = plan.disk_bytes(server, seen)
        disk_image.create_overlay(part, base, seen.disk_format, size)
        os.chmod(part, 0o600)
        os.rename(part, disk)

    def _take_snapshot(self, wanted: Mapping[str, Any]) -> None:
        """Copy a disk, flat and as it stands at one moment, into a file of its own; upload it."""
        server_id = wanted["server_id"]
        folder = self._folders.server(server_id)
        disk = os.path.join(folder, "disk.qcow2")
        part = os.path.join(folder, f"snapshot-{wanted['id']}.part")
        if not os.path.exists(disk):
            message = f"Server {server_id} has no disk on this host that could be copied"
            raise CloudError("DISK_MISSING", message, "never")
        try:
            if not self._libvirt.copy_running_disk(server_id, part):
                self._copy_idle_disk(disk, part)
            snapshot.upload(wanted, part)
        finally:
            if os.path.exists(part):
                os.unlink(part)

    def _copy_idle_disk(self, disk: str, copy: str) -> None:
        found = image.inspect_disk(disk, self._folders.image())
        if found is None:
            raise CloudError("DISK_MISSING", f"The disk {disk} has just gone")
        base = self._folders.image(found.image_id)
        seen = image.inspect_path(base) if found.image_id else None
        if seen is None:
            raise CloudError(
                "IMAGE_MISSING", f"Image {found.image_id}, which {disk} stands on, is not here"
            )
        overlay = disk_image.Overlay(disk, found.virtual_bytes, base, seen.disk_format)
        disk_image.flatten(overlay, copy, snapshot.COPY_TIMEOUT_S)

    def _grow_disk(self, server: Mapping[str, Any]) -> None:
        size = server["flavor"]["root_gib"] * plan.GIB
        if not self._libvirt.grow_running_disk(server["id"], size):
            disk = os.path.join(self._folders.server(server["id"]), "disk.qcow2")
            image.inspect_disk(disk, self._folders.image())
            disk_image.grow(disk, size)

    def _define(self, server: Mapping[str, Any], boot_serial: int | None) -> None:
        base, seen = self._base_of(server)
        files = domain_xml.Files(self._folders.server(server["id"]), base, seen.disk_format)
        description = domain_xml.domain_xml(server, self._traits, files, boot_serial)
        self._libvirt.define(server["id"], description)

    def _start(self, server: Mapping[str, Any]) -> None:
        """Start, then record the serial.

        In this order, because a crash between the two costs a needless reboot; the other order
        would leave a guest off that somebody wants on, and nobody would know.
        """
        self._libvirt.start(server["id"])
        record = domain_xml.record_element(server, self._traits, server["boot_serial"])
        self._libvirt.record(server["id"], ElementTree.tostring(record, encoding="unicode"))
        self.plugged.extend(port["id"] for port in server["ports"])

    def _reboot(self, server: Mapping[str, Any]) -> None:
        if server["reboot"] == "soft":
            self._libvirt.shut_down(server["id"], server["shutdown_timeout_s"])
        else:
            self._libvirt.force_off(server["id"])
        self._start(server)

    def _change_running(self, server: Mapping[str, Any], action: str) -> None:
        libvirt = self._libvirt
        change = {
            plan.PAUSE: libvirt.pause,
            plan.UNPAUSE: libvirt.unpause,
            plan.SUSPEND: libvirt.suspend,
            plan.RESUME: libvirt.resume,
            plan.FORGET_MEMORY: libvirt.forget_memory,
        }[action]
        change(server["id"])
        if action == plan.RESUME:
            self.plugged.extend(port["id"] for port in server["ports"])

    def _change_port(self, server_id: str, step: Step) -> None:
        if step.action == plan.PLUG:
            port = step.arguments["port"]
            self._libvirt.plug(server_id, domain_xml.interface_xml(port, self._traits))
            self.plugged.append(port["id"])
            return
        # First the bridge: a guest that keeps its interface must not keep its place in the network.
        open_vswitch.remove_interface(domain_xml.interface_name(step.arguments["port_id"]))
        running = self._libvirt.running_xml(server_id) or ""
        interface = running and domain_xml.interface_of(running, step.arguments["port_id"])
        if interface:
            self._libvirt.unplug(server_id, interface)
