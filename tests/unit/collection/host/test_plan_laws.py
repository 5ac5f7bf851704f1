"""Laws of the planner, for any host and any document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
from ansible_collections.freehold.cloud.plugins.module_utils.host import plan
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import (
    ABSENT,
    CRASHED,
    OFF,
    ON,
    PAUSED,
    SUSPENDED,
    DiskSeen,
    HostSeen,
    ImageSeen,
    ServerSeen,
)
from ansible_collections.freehold.cloud.plugins.module_utils.lifecycle import run
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.collection.host.documents import (
    document,
    image,
    port,
    removed,
    server,
    snapshot,
    uuid,
)
from tests.unit.collection.host.model import ModelHost

RESULT = json.loads(
    (Path(__file__).parents[4] / "docs/reference/documents/result.schema.json").read_text()
)
SERVERS = [uuid(number) for number in range(0xB0, 0xB4)]
IMAGES = [uuid(number) for number in range(0xA0, 0xA3)]
PORTS = [uuid(number) for number in range(0xC0, 0xC4)]


@st.composite
def servers_seen(draw: st.DrawFn) -> ServerSeen:
    power = draw(st.sampled_from([ON, OFF, PAUSED, SUSPENDED, CRASHED, ABSENT]))
    runs = power in (ON, PAUSED)
    plugged = draw(st.frozensets(st.sampled_from(PORTS))) if runs else frozenset()
    disk = draw(st.sampled_from([None, plan.GIB, 3 * plan.GIB]))
    return ServerSeen(
        power=power,
        boot_serial=None if power == ABSENT else draw(st.none() | st.integers(0, 3)),
        definition="" if power == ABSENT else "older",
        disk_serial=1 if power == ABSENT else draw(st.integers(1, 2)),
        drive="" if power == ABSENT else "older",
        disk=disk and DiskSeen(disk, draw(st.sampled_from(IMAGES))),
        has_folder=disk is not None or draw(st.booleans()),
        plugged=plugged,
        bound={id_: draw(st.booleans()) for id_ in plugged if draw(st.integers(0, 3))},
        left_interfaces=tuple(draw(st.lists(st.sampled_from(["tapa", "tapb"]), unique=True))),
    )


@st.composite
def hosts(draw: st.DrawFn) -> HostSeen:
    size = st.sampled_from([50 * 1024**2, 2 * plan.GIB])
    images = st.builds(ImageSeen, st.sampled_from(["raw", "qcow2"]), size, st.just(1000))
    return HostSeen(
        images=draw(st.dictionaries(st.sampled_from(IMAGES), images)),
        servers=draw(st.dictionaries(st.sampled_from(SERVERS), servers_seen())),
    )


@st.composite
def servers_wanted(draw: st.DrawFn, id_: str) -> dict[str, Any]:
    if draw(st.integers(0, 3)) == 0:
        return removed(id_)
    size = draw(st.sampled_from([0, 1, 2]))
    return server(
        id=id_,
        name=draw(st.text(max_size=5)),
        flavor={"name": "f", "vcpus": 1, "memory_mib": 64, "root_gib": size},
        image_id=draw(st.sampled_from(IMAGES)),
        power=draw(st.sampled_from(["on", "off", "paused", "suspended"])),
        boot_serial=draw(st.integers(0, 3)),
        disk_serial=draw(st.integers(1, 2)),
        reboot=draw(st.sampled_from(["soft", "hard"])),
        ports=[port(id=one) for one in draw(st.lists(st.sampled_from(PORTS), unique=True))],
    )


@st.composite
def documents(draw: st.DrawFn) -> Any:
    image_ids = draw(st.lists(st.sampled_from(IMAGES), unique=True))
    server_ids = draw(st.lists(st.sampled_from(SERVERS), unique=True))
    return document(
        images=[removed(id_) if draw(st.booleans()) else image(id=id_) for id_ in image_ids],
        servers=[draw(servers_wanted(id_)) for id_ in server_ids],
        scope=draw(st.sampled_from(["changes", "all"])),
        snapshots=[
            snapshot(id=id_, server_id=draw(st.sampled_from(SERVERS)))
            for id_ in draw(st.lists(st.sampled_from(IMAGES), unique=True))
        ],
    )


def made_anew(have: HostSeen, wanted: Any) -> set[str]:
    """Servers that the document wants a fresh disk of."""
    return {
        one.id
        for one in wanted.of("server")
        if not one.removed and one.wanted["disk_serial"] > have.server(one.id).disk_serial
    }


@settings(max_examples=100)
@given(hosts(), documents())
def test_applying_a_plan_leaves_nothing_to_plan(have: HostSeen, wanted: Any) -> None:
    host = ModelHost(have)
    first, _ = run(wanted, host, check=False)
    jsonschema.validate(first, RESULT)
    again = host.plan(wanted, host.observe(wanted))
    # An image that the last disk left in this run goes in the next one, and says that it waits.
    waiting = {
        ("image", entry["id"])
        for entry in first["resources"]
        if entry["type"] == "image" and entry["outcome"] == "pending"
    }
    assert {key for key, steps in again.items() if steps} <= waiting, again
    run(wanted, host, check=False)
    assert not any(host.plan(wanted, host.observe(wanted)).values())


@settings(max_examples=100)
@given(hosts(), documents())
def test_nothing_is_destroyed_by_omission(have: HostSeen, wanted: Any) -> None:
    host = ModelHost(have)
    run(wanted, host, check=False)
    going = {resource.id for resource in wanted.resources if resource.removed}
    remade = made_anew(have, wanted)
    for id_, before in have.servers.items():
        after = host.have.server(id_)
        if id_ not in going:
            if before.disk:
                assert after.disk is not None
                if id_ not in remade:
                    assert after.disk.virtual_bytes >= before.disk.virtual_bytes
                    assert after.disk.image_id == before.disk.image_id
            assert after.power != ABSENT or before.power == ABSENT
    assert set(have.images) - set(host.have.images) <= going


@settings(max_examples=100)
@given(hosts(), documents())
def test_what_the_document_does_not_name_is_as_it_was(have: HostSeen, wanted: Any) -> None:
    host = ModelHost(have)
    run(wanted, host, check=False)
    named = {resource.id for resource in wanted.resources}
    for id_ in set(SERVERS) - named:
        assert host.have.server(id_) == have.server(id_)
    for id_ in set(IMAGES) - named:
        assert host.have.images.get(id_) == have.images.get(id_)


@settings(max_examples=100)
@given(hosts(), documents())
def test_check_mode_tells_what_a_run_does_and_does_nothing(have: HostSeen, wanted: Any) -> None:
    host = ModelHost(have)
    planned, difference = run(wanted, host, check=True)
    assert host.have == have
    jsonschema.validate(planned, RESULT)
    done, same = run(wanted, host, check=False)
    assert [one["steps"] for one in planned["resources"]] == [
        one["steps"] for one in done["resources"]
    ]
    assert difference == same
    assert (planned["check"], done["check"]) == (True, False)


@settings(max_examples=100)
@given(hosts(), documents())
def test_no_image_goes_while_a_disk_stands_on_it(have: HostSeen, wanted: Any) -> None:
    host = ModelHost(have)
    run(wanted, host, check=False)
    for seen in host.have.servers.values():
        if seen.disk and seen.disk.image_id in have.images:
            assert seen.disk.image_id in host.have.images
