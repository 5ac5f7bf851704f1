"""Headers of qcow2 files, field by field (QEMU, docs/interop/qcow2.rst)."""

from __future__ import annotations

import struct

GIB = 1 << 30


def header(
    *,
    version: int = 3,
    backing_at: int = 0,
    cluster_bits: int = 16,
    virtual_size: int = GIB,
    encryption: int = 0,
    incompatible: int = 0,
    l1_entries: int | None = None,
    l1_at: int = 3 << 16,
    snapshots: int = 0,
) -> bytes:
    """The first 512 bytes of an otherwise empty qcow2 file; L1 entries as its size needs."""
    start = struct.pack(
        ">4sIQIIQI", b"QFI\xfb", version, backing_at, 0, cluster_bits, virtual_size, encryption
    )
    if l1_entries is None:
        l1_entries = min(-(-virtual_size >> (2 * cluster_bits - 3)), 1 << 22)
    start += struct.pack(">IQQIIQ", l1_entries, l1_at, 0, 0, snapshots, 0)
    if version >= 3:
        start += struct.pack(">QQQII", incompatible, 0, 0, 4, 104)
    return start.ljust(512, b"\0")


def whole(**fields: int) -> bytes:
    """A file with such a header whose tables lie within it."""
    return header(**fields).ljust(200_000, b"\0")
