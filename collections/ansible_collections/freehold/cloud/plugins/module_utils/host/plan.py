# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The planner of a host: from what is wanted and what was seen to steps. Pure.

A step's ``action`` is one of the constants below; ``actions.py`` has a function for each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    CloudError,
    Document,
    Resource,
    Step,
    Verdict,
)
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import (
    ABSENT,
    OFF,
    ON,
    PAUSED,
    SUSPENDED,
    HostSeen,
    HostTraits,
    ImageSeen,
    ServerSeen,
)

FETCH_IMAGE, REMOVE_IMAGE = "fetch_image", "remove_image"
TAKE_SNAPSHOT = "take_snapshot"
CLONE_DISK, GROW_DISK = "clone_disk", "grow_disk"
WRITE_DRIVE, DEFINE = "write_drive", "define"
START, REBOOT, SHUT_DOWN, FORCE_OFF = "start", "reboot", "shut_down", "force_off"
PAUSE, UNPAUSE = "pause", "unpause"
SUSPEND, RESUME, FORGET_MEMORY = "suspend", "resume", "forget_memory"
PLUG, UNPLUG = "plug", "unplug"
UNDEFINE, REMOVE_INTERFACES, REMOVE_FOLDER = "undefine", "remove_interfaces", "remove_folder"

GIB = 1024**3

# Grows when domain_xml.py describes the same server differently, so that domains follow.
DEFINITION_VERSION = 2


def digest(value: Any) -> str:
    """A short name for a JSON value; equal values have equal names."""
    content = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(content).hexdigest()[:32]


def definition_of(server: Mapping[str, Any], traits: HostTraits) -> str:
    """Name all that a server's domain definition is made of."""
    fields = ("name", "description", "project_id", "flavor", "image_id", "ports")
    return digest(
        [
            DEFINITION_VERSION,
            {name: server[name] for name in fields},
            [traits.virt_type, traits.cpu_model, traits.datapath],
        ]
    )


def drive_of(server: Mapping[str, Any]) -> str:
    """Name a config drive's content (its digest: the content itself may be secret)."""
    return digest(server["config_drive"])


def disk_bytes(server: Mapping[str, Any], image: ImageSeen) -> int:
    """How large a server's disk is to be; flavors without a size take the image's."""
    return server["flavor"]["root_gib"] * GIB or image.virtual_bytes


def image_misfit(server: Mapping[str, Any], image: ImageSeen | None) -> CloudError | None:
    """Tell why no disk of this flavor can be made of this image, if so."""
    if image is None or disk_bytes(server, image) >= image.virtual_bytes:
        return None
    return CloudError(
        "IMAGE_TOO_LARGE",
        f"Image {server['image_id']} unpacks to {image.virtual_bytes} bytes and flavor "
        f"{server['flavor']['name']} has a root disk of {server['flavor']['root_gib']} GiB; "
        "choose a larger flavor",
        "when_changed",
    )


def wants_new_disk(server: Mapping[str, Any], seen: ServerSeen) -> bool:
    """Whether the server was asked to be made anew since its disk was made."""
    return seen.disk_serial < server["disk_serial"]


def disk_error(server: Mapping[str, Any], seen: ServerSeen) -> CloudError | None:
    """Tell that a disk is not the one it was; a tenant's data must not be replaced in silence."""
    if seen.problem is not None:
        return seen.problem
    if wants_new_disk(server, seen):
        return None
    if seen.disk is not None:
        if seen.disk.image_id == server["image_id"]:
            return None
        return CloudError(
            "DISK_OF_OTHER_IMAGE",
            f"The disk of server {server['id']} stands on image {seen.disk.image_id} and not on "
            f"{server['image_id']}; delete the server to make it anew",
            "when_changed",
        )
    if seen.boot_serial is None:
        return None
    return CloudError(
        "DISK_MISSING",
        f"Server {server['id']} has run on this host, and its disk is gone; put it back, or "
        "delete the server",
        "when_changed",
    )


def plan_host(
    document: Document, have: HostSeen, traits: HostTraits
) -> dict[tuple[str, str], list[Step]]:
    """Decide for every resource of the document what is to be done."""
    coming = {image.id for image in document.of("image") if not image.removed}
    going = {server.id for server in document.of("server") if server.removed}
    needed = {one.wanted["image_id"] for one in document.of("server") if not one.removed}
    plan = {}
    for image in document.of("image"):
        plan[image.key] = plan_image(image, have, going, needed)
    for snapshot in document.of("snapshot"):
        plan[snapshot.key] = plan_snapshot(snapshot, have)
    for server in document.of("server"):
        seen = have.server(server.id)
        if server.removed:
            plan[server.key] = plan_removal(seen)
        else:
            image = have.images.get(server.wanted["image_id"])
            image_here = image is not None or server.wanted["image_id"] in coming
            plan[server.key] = plan_server(server.wanted, seen, image, image_here, traits)
    return plan


def plan_image(
    image: Resource, have: HostSeen, going_servers: set[str], needed_images: set[str]
) -> list[Step]:
    """Fetch an image, or remove it when no disk stands on it or will."""
    seen = have.images.get(image.id)
    if not image.removed:
        if seen:
            return []
        size = image.wanted["size_bytes"]
        return [Step(f"fetch the image ({size} bytes)", "present", False, True, FETCH_IMAGE)]
    if (
        seen is None
        or image.id in needed_images
        or have.image_users.get(image.id, frozenset()) - going_servers
    ):
        return []
    return [Step("remove the image from the cache", "present", True, False, REMOVE_IMAGE)]


def plan_snapshot(snapshot: Resource, have: HostSeen) -> list[Step]:
    """Copy a server's disk and upload it, unless the image has its data already."""
    if snapshot.removed or have.snapshots[snapshot.id].uploaded:
        return []
    if have.snapshots[snapshot.id].problem:
        return []
    sentence = f"copy the disk of server {snapshot.wanted['server_id']} and upload it"
    return [Step(sentence, "uploaded", False, True, TAKE_SNAPSHOT)]


def snapshot_verdict(snapshot: Resource, have: HostSeen) -> Verdict:
    """Say whether the image has its data."""
    if snapshot.removed:
        return Verdict({"uploaded": False})
    seen = have.snapshots[snapshot.id]
    waits = not seen.uploaded and seen.problem is None
    return Verdict({"uploaded": seen.uploaded}, "its upload" if waits else "", seen.problem)


def plan_server(
    want: Mapping[str, Any],
    seen: ServerSeen,
    image: ImageSeen | None,
    image_here: bool,
    traits: HostTraits,
) -> list[Step]:
    """Steps that bring one server to what is wanted of it; see ``Host documents`` for the rules."""
    steps = []
    if disk_error(want, seen):
        return plan_power(want, seen) if want["power"] == "off" else []
    if seen.disk is None or wants_new_disk(want, seen):
        if not image_here or image_misfit(want, image):
            return []
        if seen.runs:
            steps.append(Step("turn the guest off", "power", seen.power, OFF, FORCE_OFF))
            seen = replace(seen, power=OFF, plugged=frozenset())
        size = want["flavor"]["root_gib"]
        label = f"{size} GiB" if size else "the image's size"
        steps.append(
            Step(
                f"make a disk of {label} from image {want['image_id']}",
                "disk",
                seen.disk and f"disk {seen.disk_serial}",
                label,
                CLONE_DISK,
            )
        )
    elif seen.disk.virtual_bytes < want["flavor"]["root_gib"] * GIB:
        size = want["flavor"]["root_gib"]
        steps.append(
            Step(
                f"grow the disk to {size} GiB",
                "disk_bytes",
                seen.disk.virtual_bytes,
                size * GIB,
                GROW_DISK,
            )
        )
    drive, definition = drive_of(want), definition_of(want, traits)
    if seen.drive != drive:
        steps.append(Step("write the config drive", "config_drive", seen.drive, drive, WRITE_DRIVE))
    if seen.definition != definition or seen.drive != drive or wants_new_disk(want, seen):
        steps.append(Step("define the domain", "definition", seen.definition, definition, DEFINE))
    power = plan_power(want, seen)
    if any(step.action not in (PAUSE, UNPAUSE) for step in power):
        # It starts with the ports of its definition, or has none to be plugged when it ends off.
        return steps + power
    ports = plan_ports(want, seen)
    # A guest that stands still cannot let a port go.
    return steps + (ports + power if want["power"] == PAUSED else power + ports)


def plan_power(want: Mapping[str, Any], seen: ServerSeen) -> list[Step]:
    """Start, reboot, stop, pause or suspend; a guest that turned itself off is left alone."""
    if want["power"] == OFF:
        return _plan_off(seen)
    steps = _plan_boot(want, seen)
    power = ON if steps else seen.power
    if want["power"] == ON and power == PAUSED:
        steps.append(Step("let the guest go on", "power", PAUSED, ON, UNPAUSE))
    if want["power"] in (ON, PAUSED) and power == SUSPENDED:
        steps.append(Step("bring the guest back from its memory", "power", SUSPENDED, ON, RESUME))
        power = ON
    if want["power"] == PAUSED and power == ON:
        steps.append(Step("pause the guest", "power", ON, PAUSED, PAUSE))
    if want["power"] == SUSPENDED and power in (ON, PAUSED):
        steps.append(
            Step("keep the guest's memory and turn it off", "power", power, SUSPENDED, SUSPEND)
        )
    return steps


def _plan_off(seen: ServerSeen) -> list[Step]:
    if seen.power == ON:
        return [Step("shut the guest down", "power", ON, OFF, SHUT_DOWN)]
    if seen.power == PAUSED:  # it cannot hear the power button
        return [Step("turn the guest off", "power", PAUSED, OFF, FORCE_OFF)]
    if seen.power == SUSPENDED:
        return [Step("forget the guest's memory", "power", SUSPENDED, OFF, FORGET_MEMORY)]
    return []


def _plan_boot(want: Mapping[str, Any], seen: ServerSeen) -> list[Step]:
    serial = want["boot_serial"]
    if seen.boot_serial is not None and seen.boot_serial >= serial:
        return []
    if not seen.runs:
        return [Step(f"start the guest (boot {serial})", "power", seen.power, ON, START)]
    return [
        Step(
            f"reboot the guest, {want['reboot']} (boot {serial})",
            "boot_serial",
            seen.boot_serial,
            serial,
            REBOOT,
        )
    ]


def plan_ports(want: Mapping[str, Any], seen: ServerSeen) -> list[Step]:
    """Plug and unplug interfaces of a running guest; others get theirs when they start."""
    if not seen.runs:
        return []
    wanted = {port["id"]: port for port in want["ports"]}
    steps = [
        Step(f"unplug port {id_}", f"port {id_}", "plugged", None, UNPLUG, {"port_id": id_})
        for id_ in sorted(seen.plugged - set(wanted))
    ]
    steps += [
        Step(f"plug port {id_}", f"port {id_}", None, "plugged", PLUG, {"port": port})
        for id_, port in wanted.items()
        if id_ not in seen.plugged
    ]
    return steps


def plan_removal(seen: ServerSeen) -> list[Step]:
    """Leave nothing of a server: domain, bridge interfaces, files."""
    steps = []
    if seen.runs:
        steps.append(Step("turn the guest off", "power", seen.power, ABSENT, FORCE_OFF))
    if seen.power != ABSENT:
        steps.append(Step("undefine the domain", "domain", "present", None, UNDEFINE))
    if seen.left_interfaces:
        names = list(seen.left_interfaces)
        steps.append(
            Step(
                f"remove {', '.join(names)} from the integration bridge",
                "interfaces",
                names,
                [],
                REMOVE_INTERFACES,
                {"names": names},
            )
        )
    if seen.has_folder:
        steps.append(
            Step("delete disk, config drive and log", "files", "present", None, REMOVE_FOLDER)
        )
    return steps


def image_verdict(image: Resource, have: HostSeen) -> Verdict:
    present = image.id in have.images
    found = {"present": present}
    if image.removed and present:
        users = have.image_users.get(image.id, frozenset())
        # A server may have left it for a new disk in this very run.
        waiting = f"servers {', '.join(sorted(users))} to leave it" if users else "the next run"
        return Verdict(found, waiting)
    return Verdict(found)


def server_verdict(server: Resource, have: HostSeen) -> Verdict:
    """Say what was found of a server and what it waits for."""
    seen = have.server(server.id)
    if server.removed:
        return Verdict({"power": seen.power, "boot_serial": seen.boot_serial, "ports": {}})
    want = server.wanted
    bound = {port["id"]: seen.bound.get(port["id"], False) for port in want["ports"]}
    found = {
        "power": seen.power,
        "boot_serial": seen.boot_serial,
        "disk_serial": seen.disk_serial,
        "ports": {id_: {"bound": is_bound} for id_, is_bound in bound.items()},
    }
    image = have.images.get(want["image_id"])
    if error := disk_error(want, seen):
        return Verdict(found, error=error)
    if seen.disk is None or wants_new_disk(want, seen):
        if image is None:
            return Verdict(found, f"image {want['image_id']} to be on this host")
        return Verdict(found, error=image_misfit(want, image))
    if seen.runs and (leaving := sorted(seen.plugged - set(bound))):
        return Verdict(found, f"the guest to let ports {', '.join(leaving)} go")
    unbound = sorted(id_ for id_, is_bound in bound.items() if not is_bound)
    if want["power"] == "on" and seen.power == ON and unbound:
        return Verdict(found, f"OVN to bind ports {', '.join(unbound)}")
    return Verdict(found)


VERDICTS = {
    "image": image_verdict,
    "snapshot": snapshot_verdict,
    "server": server_verdict,
}
