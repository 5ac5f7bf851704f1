"""Uploaded images are hostile: what a header may say, and what it may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.errors import UnsupportedMediaType
from freehold.image.format import HEADER_BYTES, Inspected, detect, inspect
from tests.unit.image.qcow2 import GIB, header


@pytest.mark.parametrize("version", [2, 3])
def test_a_plain_qcow2_is_taken_with_its_virtual_size(version: int) -> None:
    found = inspect(header(version=version, virtual_size=3 * GIB), 200_000, "qcow2")
    assert found == Inspected("qcow2", 3 * GIB)


def test_a_raw_image_is_as_large_as_its_file() -> None:
    assert inspect(b"\xeb\x63\x90" * 100, 1_000_000, "raw") == Inspected("raw", 1_000_000)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"backing_at": 104}, "backing file"),
        ({"incompatible": 4}, "external file"),
        ({"incompatible": 2}, "corrupt"),
        ({"incompatible": 1 << 40}, "unknown features"),
        ({"encryption": 2}, "encrypted"),
        ({"version": 4}, "version is 4"),
        ({"version": 1}, "version is 1"),
        ({"cluster_bits": 40}, "cluster size"),
        ({"virtual_size": 2**63}, "virtual size"),
        ({"virtual_size": 2**62}, "too small for its virtual size"),
        ({"l1_entries": 1}, "too small for its virtual size"),
        ({"l1_entries": 2**32 - 1}, "larger than QEMU reads"),
        ({"l1_at": 2**63}, "behind its end"),
        ({"l1_at": 199_990}, "behind its end"),
        ({"snapshots": 1}, "internal snapshots"),
    ],
)
def test_a_qcow2_that_is_unsafe_or_useless_is_refused(fields: dict[str, int], why: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=why):
        inspect(header(**fields), 200_000, "qcow2")


@pytest.mark.parametrize("features", [1, 8, 16, 25])
def test_features_that_stay_inside_the_file_are_fine(features: int) -> None:
    assert inspect(header(incompatible=features), 200_000, "qcow2").virtual_size == GIB


@pytest.mark.parametrize("length", [0, 3, 4, 35, 71, 79])
def test_a_header_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(UnsupportedMediaType):
        inspect(header()[:length], length, "qcow2")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (header(), "qcow2"),
        (b"KDMV" + bytes(508), "vmdk"),
        (b"# Disk DescriptorFile\nversion=1\n", "vmdk"),
        (b"vhdxfile" + bytes(504), "vhdx"),
        (b"conectix" + bytes(504), "vhd"),
        (bytes(64) + b"\x7f\x10\xda\xbe" + bytes(444), "vdi"),
        (b"QED\0" + bytes(508), "qed"),
        (b"LUKS\xba\xbe" + bytes(506), "luks"),
        (b"COWD" + bytes(508), "vmdk"),
        (b'# a comment\n  \n#another\nversion=3\nRW 1 FLAT "/etc/shadow" 0\n', "vmdk"),
        (b'version=1\nRW 1 FLAT "/etc/shadow" 0\n', "vmdk"),
        (b"WithoutFreeSpace" + bytes(496), "parallels"),
        (b"WithouFreSpacExt" + bytes(496), "parallels"),
        (b"Bochs Virtual HD Image\0" + bytes(489), "bochs"),
        (b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0\n", "cloop"),
    ],
)
def test_another_format_is_not_let_in_as_raw(content: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=name):
        inspect(content, len(content), "raw")


@pytest.mark.parametrize("declared", ["raw", "qcow2"])
def test_a_file_of_two_formats_is_what_its_beginning_says(declared: str) -> None:
    """A boot sector with a qcow2 header behind it is raw; a qcow2 file with a boot mark is not."""
    raw_first = b"\xeb\x63\x90" + bytes(509) + header(backing_at=104)
    qcow2_first = header()[:510] + b"\x55\xaa" + bytes(200_000)
    for content, found in ((raw_first, "raw"), (qcow2_first, "qcow2")):
        if found == declared:
            assert inspect(content[:512], len(content), declared).disk_format == found
        else:
            with pytest.raises(UnsupportedMediaType, match=found):
                inspect(content[:512], len(content), declared)


@given(st.binary(max_size=HEADER_BYTES), st.sampled_from(["raw", "qcow2"]))
def test_any_header_is_taken_or_refused_never_a_crash(content: bytes, declared: str) -> None:
    try:
        found = inspect(content, len(content), declared)
    except UnsupportedMediaType:
        return
    assert found.disk_format == declared == detect(content)


@given(st.binary(max_size=HEADER_BYTES - 104))
def test_whatever_follows_a_backing_file_never_lets_it_in(rest: bytes) -> None:
    hostile = header(backing_at=104)[:104] + rest
    for declared in ("raw", "qcow2"):
        with pytest.raises(UnsupportedMediaType):
            inspect(hostile, len(hostile), declared)
