"""A model of a host: what each step is meant to change in what is seen. Applies plans in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    Document,
    Resource,
    Step,
    Verdict,
)
from ansible_collections.freehold.cloud.plugins.module_utils.host import plan
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import (
    ABSENT,
    OFF,
    ON,
    PAUSED,
    SUSPENDED,
    DiskSeen,
    HostSeen,
    HostTraits,
    ImageSeen,
    ServerSeen,
    SnapshotSeen,
)
from ansible_collections.freehold.cloud.plugins.module_utils.lifecycle import Applied

# What every image of the model unpacks to.
VIRTUAL_BYTES = 100 * 1024**2


def after_image_step(image: Resource, step: Step, have: HostSeen) -> HostSeen:
    images = dict(have.images)
    if step.action == plan.FETCH_IMAGE:
        images[image.id] = ImageSeen(image.wanted["disk_format"], VIRTUAL_BYTES, 1000)
    elif step.action == plan.REMOVE_IMAGE:
        del images[image.id]
    else:
        raise AssertionError(f"no step of an image: {step.action}")
    return replace(have, images=images)


def after_server_step(
    want: Mapping[str, Any],
    step: Step,
    seen: ServerSeen,
    image: ImageSeen | None,
    traits: HostTraits,
) -> ServerSeen:
    ports = frozenset(one["id"] for one in want.get("ports", ()))
    running: dict[str, Any] = {
        "power": ON,
        "boot_serial": want.get("boot_serial"),
        "plugged": ports,
        "bound": dict.fromkeys(ports, True),
    }
    match step.action:
        case plan.CLONE_DISK:
            assert image is not None
            disk = DiskSeen(plan.disk_bytes(want, image), want["image_id"])
            return replace(seen, disk=disk, has_folder=True)
        case plan.GROW_DISK:
            assert seen.disk is not None
            grown = replace(seen.disk, virtual_bytes=want["flavor"]["root_gib"] * plan.GIB)
            return replace(seen, disk=grown)
        case plan.WRITE_DRIVE:
            return replace(seen, has_folder=True)
        case plan.DEFINE:
            return replace(
                seen,
                definition=plan.definition_of(want, traits),
                drive=plan.drive_of(want),
                power=OFF if seen.power == ABSENT else seen.power,
                disk_serial=want["disk_serial"],
            )
        case plan.START | plan.REBOOT:
            return replace(seen, **running)
        case plan.UNPAUSE:
            return replace(seen, power=ON)
        case plan.RESUME:
            return replace(seen, power=ON, plugged=ports, bound=running["bound"])
        case plan.PAUSE:
            return replace(seen, power=PAUSED)
        case plan.SUSPEND:
            return replace(seen, power=SUSPENDED, plugged=frozenset(), bound={})
        case plan.SHUT_DOWN | plan.FORCE_OFF | plan.FORGET_MEMORY:
            return replace(seen, power=OFF, plugged=frozenset(), bound={})
        case plan.PLUG:
            id_ = step.arguments["port"]["id"]
            return replace(seen, plugged=seen.plugged | {id_}, bound={**seen.bound, id_: True})
        case plan.UNPLUG:
            gone = step.arguments["port_id"]
            bound = {id_: is_bound for id_, is_bound in seen.bound.items() if id_ != gone}
            return replace(seen, plugged=seen.plugged - {gone}, bound=bound)
        case plan.UNDEFINE:
            return replace(seen, power=ABSENT, boot_serial=None, definition="", drive="")
        case plan.REMOVE_INTERFACES:
            return replace(seen, left_interfaces=())
        case plan.REMOVE_FOLDER:
            return replace(seen, has_folder=False, disk=None, problem=None)
    raise AssertionError(f"no step of a server: {step.action}")


class ModelHost:
    """A ``lifecycle.Target`` over the model."""

    def __init__(self, have: HostSeen, traits: HostTraits = HostTraits()) -> None:
        self.have = have
        self.traits = traits

    def observe(self, document: Document) -> HostSeen:
        users: dict[str, set[str]] = {}
        for id_, seen in self.have.servers.items():
            if seen.disk:
                users.setdefault(seen.disk.image_id, set()).add(id_)
        asked = {one.id: SnapshotSeen(False) for one in document.of("snapshot")}
        return replace(
            self.have,
            snapshots=asked | dict(self.have.snapshots),
            image_users={image: frozenset(ids) for image, ids in users.items()},
            all_images=frozenset(self.have.images),
            all_servers=frozenset(
                id_ for id_, seen in self.have.servers.items() if seen.power != ABSENT
            ),
        )

    def plan(self, document: Document, have: HostSeen) -> dict[tuple[str, str], list[Step]]:
        return plan.plan_host(document, have, self.traits)

    def apply(
        self, document: Document, steps: Mapping[tuple[str, str], Sequence[Step]], have: HostSeen
    ) -> Applied:
        applied = Applied()
        resources = sorted(document.resources, key=lambda one: one.removed and one.type == "image")
        for resource in resources:
            for step in steps[resource.key]:
                self._do(resource, step)
                applied.did(resource.key, step)
        return applied

    def _do(self, resource: Resource, step: Step) -> None:
        if resource.type == "image":
            self.have = after_image_step(resource, step, self.have)
            return
        if resource.type == "snapshot":
            assert step.action == plan.TAKE_SNAPSHOT
            done = {**self.have.snapshots, resource.id: SnapshotSeen(True)}
            self.have = replace(self.have, snapshots=done)
            return
        want = resource.wanted
        seen = after_server_step(
            want,
            step,
            self.have.server(resource.id),
            self.have.images.get(want.get("image_id", "")),
            self.traits,
        )
        self.have = replace(self.have, servers={**self.have.servers, resource.id: seen})

    def verdict(self, resource: Resource, have: HostSeen) -> Verdict:
        return plan.VERDICTS[resource.type](resource, have)

    def unknown(self, document: Document, have: HostSeen) -> list[dict[str, str]]:
        return []

    def facts(self) -> dict[str, Any]:
        return {"vcpus": 2}
