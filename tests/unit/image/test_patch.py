"""Reading JSON patches, in both media types, apart from what they change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.errors import BadRequest, Forbidden, UnsupportedMediaType
from freehold.image.image_patch import Change, read_patch

NEWER = "application/openstack-images-v2.1-json-patch"
OLDER = "application/openstack-images-v2.0-json-patch"


def _read(operations: Any, kind: str = NEWER) -> list[Change]:
    return read_patch(kind, json.dumps(operations).encode())


def test_both_media_types_say_the_same() -> None:
    newer = [
        {"op": "replace", "path": "/name", "value": "a"},
        {"op": "add", "path": "/os~1distro~0x", "value": "b"},
        {"op": "remove", "path": "/colour"},
    ]
    older = [
        {"replace": "/name", "value": "a"},
        {"add": "/os~1distro~0x", "value": "b"},
        {"remove": "/colour"},
    ]
    expected = [
        Change("replace", "name", "a"),
        Change("add", "os/distro~x", "b"),
        Change("remove", "colour", None),
    ]
    assert _read(newer) == _read(older, OLDER) == expected


def test_the_media_type_may_carry_a_charset() -> None:
    assert read_patch(f"{NEWER}; charset=utf-8", b"[]") == []


@pytest.mark.parametrize("kind", ["application/json", "application/json-patch+json", ""])
def test_other_media_types_are_named_as_unsupported(kind: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="json-patch"):
        read_patch(kind, b"[]")


@pytest.mark.parametrize(
    "operations",
    [
        {"op": "replace"},
        ["replace"],
        [{"path": "/name", "value": "a"}],
        [{"op": "move", "path": "/name", "value": "a"}],
        [{"op": "replace", "value": "a"}],
        [{"op": "replace", "path": "/name"}],
        [{"op": "replace", "path": "name", "value": "a"}],
        [{"op": "replace", "path": 7, "value": "a"}],
        [{"op": "replace", "path": "/", "value": "a"}],
        [{"op": "replace", "path": "/a/b", "value": "a"}],
        [{"op": "replace", "path": "/a~2", "value": "a"}],
        [{"op": "replace", "path": "/name", "value": 7}],
        [{"op": "replace", "path": "/name", "value": "a\0b"}],
        [{"op": "replace", "path": "/name", "value": "n" * 256}],
        [{"op": "replace", "path": "/min_disk", "value": -1}],
        [{"op": "replace", "path": "/min_disk", "value": True}],
        [{"op": "replace", "path": "/protected", "value": "yes"}],
        [{"op": "replace", "path": "/visibility", "value": "secret"}],
        [{"op": "replace", "path": "/disk_format", "value": "vmdk"}],
        [{"op": "add", "path": "/colour", "value": {"red": 1}}],
        [{"op": "add", "path": f"/{'n' * 256}", "value": "a"}],
    ],
)
def test_a_malformed_change_is_refused(operations: Any) -> None:
    with pytest.raises(BadRequest):
        _read(operations)


@pytest.mark.parametrize(
    "name",
    ["id", "status", "size", "checksum", "created_at", "location", "locations", "os_glance_x"],
)
def test_what_nobody_may_write_is_forbidden(name: str) -> None:
    with pytest.raises(Forbidden):
        _read([{"op": "replace", "path": f"/{name}", "value": "x"}])


def test_what_the_schema_knows_cannot_be_removed() -> None:
    with pytest.raises(Forbidden, match="name"):
        _read([{"op": "remove", "path": "/name"}])


def test_a_refusal_never_repeats_the_value() -> None:
    with pytest.raises(BadRequest) as refusal:
        _read([{"op": "replace", "path": "/visibility", "value": "s3cret"}])
    assert "s3cret" not in refusal.value.message


@pytest.mark.parametrize("path", ["/a\ud800", "/a\0"])
def test_text_that_nothing_can_hold_is_refused(path: str) -> None:
    with pytest.raises(BadRequest, match=r"surrogate|NUL"):
        _read([{"op": "add", "path": path, "value": "b"}])
