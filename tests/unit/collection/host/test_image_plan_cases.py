"""Cases of a host's image cache: what is there and wanted → steps; then nothing is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.freehold.cloud.plugins.module_utils.host import plan
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import (
    OFF,
    DiskSeen,
    HostSeen,
    ImageSeen,
    ServerSeen,
)
from ansible_collections.freehold.cloud.plugins.module_utils.lifecycle import run

from tests.unit.collection.host.documents import (
    IMAGE_ID,
    document,
    image,
    removed,
    server,
    uuid,
)
from tests.unit.collection.host.model import VIRTUAL_BYTES, ModelHost

CASES = [
    pytest.param(case, id=case["case"])
    for file in sorted((Path(__file__).parent / "cases/images").glob("*.yml"))
    for case in yaml.safe_load(file.read_text())
]


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    disk = DiskSeen(plan.GIB, IMAGE_ID)
    stopped = ServerSeen(power=OFF, boot_serial=1, disk=disk, has_folder=True)
    host = ModelHost(
        HostSeen(
            images={IMAGE_ID: ImageSeen("qcow2", VIRTUAL_BYTES, 1000)} if case["have"] else {},
            servers={uuid(number): stopped for number in case.get("disks", [])},
        )
    )
    wanted = document(
        images=[removed(IMAGE_ID) if case.get("removed") else image()],
        servers=[
            *(removed(uuid(number)) for number in case.get("going", [])),
            *(server(id=uuid(number)) for number in case.get("coming", [])),
        ],
    )

    steps = host.plan(wanted, host.observe(wanted))["image", IMAGE_ID]
    assert [step.action for step in steps] == case["steps"]

    done, _ = run(wanted, host, check=False)
    expected = case.get("outcome", "changed" if case["steps"] else "unchanged")
    assert done["resources"][0]["outcome"] == expected
    again, difference = run(wanted, host, check=False)
    assert again["changed"] is False
    assert difference == {"before": {}, "after": {}}
