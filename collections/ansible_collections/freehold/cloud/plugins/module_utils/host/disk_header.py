# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a disk file is, by our own look at its header: no tool sees a file before this has.

A qcow2 file that names a backing file or an external data file would make QEMU open any file of
the host. The service reads headers by the same rules when a file is uploaded.
Format: https://www.qemu.org/docs/master/interop/qcow2.html
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

_QCOW2_MAGIC = b"QFI\xfb"
# Formats that QEMU would recognise by themselves, if ever it was let guess: never raw.
_MAGICS = (
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
_PROBED_BYTES = 512
_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")  # the fields that versions 2 and 3 share, 72 bytes
_DIRTY, _CORRUPT, _EXTERNAL_DATA, _COMPRESSION, _EXTENDED_L2 = 1, 2, 4, 8, 16
_KNOWN_FEATURES = _DIRTY | _CORRUPT | _EXTERNAL_DATA | _COMPRESSION | _EXTENDED_L2
_EXTERNAL_DATA_EXTENSION = 0x44415441
_L1_LIMIT_BYTES = 32 * 1024 * 1024  # QEMU's own
_NAME_LIMIT_BYTES = 1023  # the format's own


class Refused(Exception):
    """Why a file must not be opened by any tool."""


@dataclass(frozen=True)
class DiskHeader:
    """What may be known of a file; ``backing_file`` is "" where none is named."""

    disk_format: str
    virtual_bytes: int
    size_bytes: int
    backing_file: str = ""


def read(file: BinaryIO) -> DiskHeader:
    """Read a raw or qcow2 file's header.

    Raises:
        Refused: It is of another format, or a qcow2 file that is not safe to open.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_PROBED_BYTES)
    if not head.startswith(_QCOW2_MAGIC):
        _refuse_others(head)
        return DiskHeader("raw", size, size)
    if len(head) < _HEADER.size:
        raise Refused("its qcow2 header is cut off")
    (_magic, version, backing, length, cluster_bits, virtual_bytes, crypt, *tables) = (
        _HEADER.unpack_from(head)
    )
    if version not in (2, 3):
        raise Refused(f"its qcow2 version is {version}; 2 and 3 are known")
    if crypt:
        raise Refused("it is encrypted")
    if not 9 <= cluster_bits <= 21:
        raise Refused(f"its clusters have 2^{cluster_bits} bytes")
    if virtual_bytes >= 2**63:
        raise Refused("its virtual size is out of range")
    if version == 3:
        _check_version_3(file, head)
    _check_tables(tables, size, cluster_bits, virtual_bytes)
    name = _name(file, backing, length) if backing else ""
    return DiskHeader("qcow2", virtual_bytes, size, name)


def _refuse_others(head: bytes) -> None:
    for offset, magic, name in _MAGICS:
        if head[offset : offset + len(magic)] == magic:
            raise Refused(f"it is {name}, neither raw nor qcow2")
    if _VMDK_DESCRIPTOR.match(head):
        raise Refused("it is a vmdk descriptor, neither raw nor qcow2")


def _name(file: BinaryIO, at: int, length: int) -> str:
    if not 0 < length <= _NAME_LIMIT_BYTES:
        raise Refused(f"the name of its backing file has {length} bytes")
    if at >= 2**63:
        raise Refused("the name of its backing file lies behind its end")
    file.seek(at)
    return file.read(length).decode(errors="replace")


def _check_tables(tables: list[int], size: int, cluster_bits: int, virtual_bytes: int) -> None:
    """Refuse what makes QEMU read, or reserve memory for, more than the disk needs."""
    entries, table_at, _refcounts, _refcount_clusters, snapshots, _snapshots_at = tables
    if snapshots:
        raise Refused("it has internal snapshots")
    if entries * 8 > _L1_LIMIT_BYTES:
        raise Refused(f"its L1 table of {entries} entries is larger than QEMU reads")
    if entries << (2 * cluster_bits - 3) < virtual_bytes:
        raise Refused("its L1 table is too small for its virtual size")
    if table_at + entries * 8 > size:
        raise Refused("its L1 table lies behind its end")


def _check_version_3(file: BinaryIO, head: bytes) -> None:
    if len(head) < 104:
        raise Refused("its qcow2 header is cut off")
    (features,) = struct.unpack_from(">Q", head, 72)
    (header_length,) = struct.unpack_from(">I", head, 100)
    if features & ~_KNOWN_FEATURES:
        raise Refused(f"it needs unknown features ({features:#x})")
    if features & _EXTERNAL_DATA:
        raise Refused("its data is in another file")
    if features & _CORRUPT:
        raise Refused("it is marked as corrupt")
    if _EXTERNAL_DATA_EXTENSION in _extensions(file, header_length):
        raise Refused("it names an external data file")


def _extensions(file: BinaryIO, at: int) -> set[int]:
    """Types of the header extensions, which follow the header until type 0."""
    types: set[int] = set()
    while len(types) < 64:
        file.seek(at)
        entry = file.read(8)
        if len(entry) < 8:
            return types
        kind, length = struct.unpack(">II", entry)
        if kind == 0:
            return types
        types.add(kind)
        at += 8 + (length + 7) // 8 * 8
    raise Refused("its header extensions do not end")
