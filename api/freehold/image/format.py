"""What an uploaded file is, by our own look at its header. Uploads are hostile (invariant 10).

Nothing but these few fields is trusted, and no tool is run on a file before it has passed here. A
file that makes QEMU open another file (backing file, external data file) is refused, since that
other file would be one of the host's. Source: QEMU's docs/interop/qcow2.rst.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from freehold.errors import UnsupportedMediaType

DISK_FORMATS = ("raw", "qcow2")
"""What hosts can boot."""
CONTAINER_FORMATS = ("bare",)
"""``bare`` says that the file is the disk itself; nothing here unpacks archives."""
HEADER_BYTES = 512

_MAGICS = (
    (0, b"QFI\xfb", "qcow2"),
    (0, b"QED\0", "qed"),
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vhd"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
    (0, b"Bochs Virtual HD Image", "bochs"),
    (0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop", "cloop"),
)
# Comments and blank lines may stand before a descriptor's version, as QEMU's own probe reads it.
_VMDK_DESCRIPTOR = re.compile(rb"# Disk DescriptorFile|(?:(?:#[^\n]*| *\r?)\n)*version=[1-9]")
_V2 = struct.Struct(">4sIQIIQI")
_TABLES = struct.Struct(">IQQIIQ")  # L1 entries and place, refcounts, snapshots
_TABLES_AT = 36
_INCOMPATIBLE = struct.Struct(">Q")
_INCOMPATIBLE_AT = 72
_L1_LIMIT_BYTES = 32 << 20  # QEMU's own
_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION, _SUBCLUSTERS = 1, 2, 4, 8, 16
_KNOWN = _DIRTY | _CORRUPT | _DATA_FILE | _COMPRESSION | _SUBCLUSTERS
_CLUSTER_BITS = range(9, 22)


@dataclass(frozen=True)
class Inspected:
    """A file that may be kept."""

    disk_format: str
    virtual_size: int


def inspect(header: bytes, size: int, declared: str) -> Inspected:
    """Check that a file is what its image declares and names no other file.

    Args:
        header: Its first ``HEADER_BYTES`` bytes (all of a shorter one).
        size: Its length in bytes.
        declared: The image's ``disk_format``.

    Raises:
        UnsupportedMediaType: It is something else, or names another file, or cannot be booted.
    """
    found = detect(header)
    if found != declared:
        raise UnsupportedMediaType(
            f"The image is declared as {declared}, but its content is {found}. Convert it, or "
            "declare what it is."
        )
    if declared == "qcow2":
        return Inspected(declared, _qcow2_size(header, size))
    return Inspected(declared, size)


def detect(header: bytes) -> str:
    """The format that a header has; ``raw`` when it is none that we know."""
    for offset, magic, name in _MAGICS:
        if header[offset : offset + len(magic)] == magic:
            return name
    return "vmdk" if _VMDK_DESCRIPTOR.match(header) else "raw"


def _qcow2_size(header: bytes, size: int) -> int:
    """Virtual size of a qcow2 file that may be kept."""
    if len(header) < _INCOMPATIBLE_AT:
        raise _refused("its header is cut off")
    _, version, backing_at, _, cluster_bits, virtual_size, encryption = _V2.unpack_from(header)
    if version not in (2, 3):
        raise _refused(f"its version is {version}, not 2 or 3")
    if backing_at:
        raise _refused("it has a backing file. Flatten it first: qemu-img convert -O qcow2")
    if encryption:
        raise _refused("it is encrypted, and hosts have no key for it")
    if cluster_bits not in _CLUSTER_BITS:
        raise _refused(f"its cluster size of 2^{cluster_bits} bytes is out of range")
    if version == 3:
        _refuse_features(header)
    if virtual_size >= 2**63:
        raise _refused("its virtual size is out of range")
    _refuse_tables(header, size, cluster_bits, virtual_size)
    return int(virtual_size)


def _refuse_tables(header: bytes, size: int, cluster_bits: int, virtual_size: int) -> None:
    """Refuse what makes QEMU read, or reserve memory for, more than the disk needs."""
    entries, table_at, _, _, snapshots, _ = _TABLES.unpack_from(header, _TABLES_AT)
    if snapshots:
        raise _refused("it has internal snapshots. Leave them out: qemu-img convert -O qcow2")
    if entries * 8 > _L1_LIMIT_BYTES:
        raise _refused(f"its L1 table of {entries} entries is larger than QEMU reads")
    if entries << (2 * cluster_bits - 3) < virtual_size:
        raise _refused("its L1 table is too small for its virtual size")
    if table_at + entries * 8 > size:
        raise _refused("its L1 table lies behind its end. Is the upload cut off?")


def _refuse_features(header: bytes) -> None:
    if len(header) < _INCOMPATIBLE_AT + _INCOMPATIBLE.size:
        raise _refused("its header is cut off")
    (features,) = _INCOMPATIBLE.unpack_from(header, _INCOMPATIBLE_AT)
    if features & _DATA_FILE:
        raise _refused("it keeps its data in an external file")
    if features & _CORRUPT:
        raise _refused("it is marked as corrupt. Repair it first: qemu-img check -r all")
    if features & ~_KNOWN:
        raise _refused(f"it has unknown features {features & ~_KNOWN:#x}")


def _refused(why: str) -> UnsupportedMediaType:
    return UnsupportedMediaType(f"The qcow2 image is refused: {why}.")
