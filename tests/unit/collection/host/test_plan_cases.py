"""Each entry of a case file: what is wanted and seen → steps; after them nothing is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    CloudError,
    Resource,
    Step,
)
from ansible_collections.freehold.cloud.plugins.module_utils.host import plan
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import (
    ON,
    DiskSeen,
    HostSeen,
    HostTraits,
    ImageSeen,
    ServerSeen,
)
from ansible_collections.freehold.cloud.plugins.module_utils.lifecycle import run

from tests.unit.collection.host.documents import (
    IMAGE_ID,
    PORT_ID,
    SERVER_ID,
    document,
    removed,
    server,
)
from tests.unit.collection.host.model import VIRTUAL_BYTES, ModelHost

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['case']}")
    for file in sorted((Path(__file__).parent / "cases").glob("*.yml"))
    for case in yaml.safe_load(file.read_text())
]


def seen(differences: dict[str, Any]) -> ServerSeen:
    """A server that runs as ``documents.server()`` wants it, but for the differences."""
    fields: dict[str, Any] = {
        "power": ON,
        "boot_serial": 1,
        "definition": plan.definition_of(server(), HostTraits()),
        "drive": plan.drive_of(server()),
        "disk_bytes": plan.GIB,
        "has_folder": True,
        "plugged": [PORT_ID],
        **differences,
    }
    size, image_id = fields.pop("disk_bytes"), fields.pop("disk_image", IMAGE_ID)
    fields["disk"] = DiskSeen(size, image_id) if size else None
    if fields.pop("damaged", False):
        fields["disk"], fields["problem"] = None, CloudError("DISK_DAMAGED", "no header")
    fields["plugged"] = frozenset(fields["plugged"])
    fields["bound"] = dict.fromkeys(fields.pop("on_bridge", fields["plugged"]), True)
    fields["left_interfaces"] = tuple(fields.get("left_interfaces", ()))
    return ServerSeen(**fields)


def host_of(case: dict[str, Any]) -> ModelHost:
    image = case.get("image", VIRTUAL_BYTES)
    images = {} if image == "absent" else {IMAGE_ID: ImageSeen("qcow2", image, 1000)}
    return ModelHost(HostSeen(images=images, servers={SERVER_ID: seen(case.get("have", {}))}))


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    entry = removed(SERVER_ID) if case.get("removed") else server(**case.get("want", {}))
    wanted = document(servers=[entry])
    host = host_of(case)

    steps = host.plan(wanted, host.observe(wanted))["server", SERVER_ID]
    assert [step.action for step in steps] == case["steps"]

    planned, _ = run(wanted, host, check=True)
    done, _ = run(wanted, host, check=False)
    assert planned["resources"][0]["steps"] == done["resources"][0]["steps"]
    expected = case.get("outcome", "changed" if case["steps"] else "unchanged")
    assert done["resources"][0]["outcome"] == expected

    again, difference = run(wanted, host, check=False)
    assert again["changed"] is False
    assert difference == {"before": {}, "after": {}}


class StubbornGuests(ModelHost):
    """Guests that are asked to let an interface go, and do not."""

    def _do(self, resource: Resource, step: Step) -> None:
        before = self.have.server(resource.id)
        super()._do(resource, step)
        if step.action == plan.UNPLUG:
            kept = replace(self.have.server(resource.id), plugged=before.plugged)
            self.have = replace(self.have, servers={**self.have.servers, resource.id: kept})


def test_a_guest_that_keeps_its_interface_is_asked_again_and_loses_the_bridge() -> None:
    host = StubbornGuests(host_of({}).have)
    wanted = document(servers=[server(ports=[])])
    first, _ = run(wanted, host, check=False)
    (entry,) = first["resources"]
    assert (entry["outcome"], entry["steps"][-1]) == ("pending", f"unplug port {PORT_ID}")
    assert entry["found"]["waiting_for"] == f"the guest to let ports {PORT_ID} go"
    assert host.have.server(SERVER_ID).bound == {}
    again, _ = run(wanted, host, check=True)
    assert again["resources"][0]["steps"] == [f"unplug port {PORT_ID}"]
    off = server(ports=[], power="off", generation=2)
    stopped, _ = run(document(servers=[off]), host, check=False)
    assert stopped["resources"][0]["outcome"] == "changed"
