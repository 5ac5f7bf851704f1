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
) -> bytes:
    """The first 512 bytes of an otherwise empty qcow2 file."""
    start = struct.pack(
        ">4sIQIIQI", b"QFI\xfb", version, backing_at, 0, cluster_bits, virtual_size, encryption
    )
    if version >= 3:
        start = start.ljust(72, b"\0") + struct.pack(">QQQII", incompatible, 0, 0, 4, 104)
    return start.ljust(512, b"\0")
