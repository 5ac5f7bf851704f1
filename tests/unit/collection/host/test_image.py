"""Images: fetched whole or not at all, and refused when they reach for other files."""

from __future__ import annotations

import hashlib
import http.server
import io
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.host import image
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.collection.host.documents import image as image_entry

TOKEN = "the-right-token"


def create(path: Path, *options: str) -> bytes:
    subprocess.run(["qemu-img", "create", "-q", *options], check=True, cwd=path.parent)
    return path.read_bytes()


@pytest.fixture
def qcow2(tmp_path: Path) -> bytes:
    return create(tmp_path / "plain.qcow2", "-f", "qcow2", "plain.qcow2", "3M")


def inspect(content: bytes) -> Any:
    return image.inspect(io.BytesIO(content))


def test_a_plain_image_is_read(qcow2: bytes) -> None:
    assert inspect(qcow2) == image.ImageSeen("qcow2", 3 * 1024**2, len(qcow2))
    assert inspect(b"anything").disk_format == "raw"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-f", "qcow2", "-b", "base.raw", "-F", "raw", "x.qcow2"], "backing file"),
        (["-f", "qcow2", "-o", "compat=0.10", "-b", "base.raw", "-F", "raw", "x.qcow2"], "backing"),
        (["-f", "qcow2", "-o", "data_file=data.raw", "x.qcow2", "1M"], "another file"),
    ],
)
def test_an_image_that_names_other_files_is_refused(
    tmp_path: Path, options: list[str], reason: str
) -> None:
    (tmp_path / "base.raw").write_bytes(bytes(1024**2))
    content = create(tmp_path / "x.qcow2", *options)
    with pytest.raises(CloudError, match=reason) as error:
        inspect(content)
    assert (error.value.code, error.value.retry) == ("IMAGE_REFUSED", "when_changed")


def test_a_data_file_hidden_in_an_extension_is_refused(qcow2: bytes, tmp_path: Path) -> None:
    content = bytearray(
        create(tmp_path / "x.qcow2", "-f", "qcow2", "-o", "data_file=d.raw", "x.qcow2", "1M")
    )
    content[72:80] = bytes(8)  # the feature bit that announces it
    with pytest.raises(CloudError, match="external data file"):
        inspect(bytes(content))


@pytest.mark.parametrize(
    ("offset", "form", "value", "reason"),
    [
        (4, ">I", 9, "version"),
        (32, ">I", 1, "encrypted"),
        (20, ">I", 60, "clusters"),
        (72, ">Q", 2, "corrupt"),
        (72, ">Q", 1 << 40, "unknown features"),
        (24, ">Q", 1 << 60, "too small for its virtual size"),
        (36, ">I", 0, "too small for its virtual size"),
        (36, ">I", 2**32 - 1, "larger than QEMU reads"),
        (40, ">Q", 2**63, "behind its end"),
        (60, ">I", 1, "snapshots"),
        (24, ">Q", 2**63, "out of range"),
        (8, ">Q", 2**64 - 1, "backing file"),
    ],
)
def test_a_header_that_is_odd_is_refused(
    qcow2: bytes, offset: int, form: str, value: int, reason: str
) -> None:
    content = bytearray(qcow2)
    struct.pack_into(form, content, offset, value)
    with pytest.raises(CloudError, match=reason):
        inspect(bytes(content))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"KDMV" + bytes(508), "vmdk"),
        (b"COWD" + bytes(508), "vmdk"),
        (b"# Disk DescriptorFile\nversion=1\n", "vmdk"),
        (b'# a comment\n  \n#another\nversion=3\nRW 1 FLAT "/etc/shadow" 0\n', "vmdk"),
        (b'version=1\nRW 1 FLAT "/etc/shadow" 0\n', "vmdk"),
        (b"vhdxfile" + bytes(504), "vhdx"),
        (b"conectix" + bytes(504), "vhd"),
        (bytes(64) + b"\x7f\x10\xda\xbe" + bytes(444), "vdi"),
        (b"QED\0" + bytes(508), "qed"),
        (b"LUKS\xba\xbe" + bytes(506), "luks"),
        (b"WithoutFreeSpace" + bytes(496), "parallels"),
        (b"WithouFreSpacExt" + bytes(496), "parallels"),
        (b"Bochs Virtual HD Image\0" + bytes(489), "bochs"),
        (b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0\n", "cloop"),
    ],
)
def test_a_format_that_nobody_registered_is_not_taken_for_raw(content: bytes, name: str) -> None:
    with pytest.raises(CloudError, match=name) as error:
        inspect(content)
    assert error.value.code == "IMAGE_REFUSED"


@pytest.mark.parametrize(
    "content",
    [b"#!/bin/sh\necho version=1\n", b"\xeb\x63\x90" * 100, b"QFI" + bytes(509), b"", b"\n" * 512],
)
def test_what_no_format_claims_is_raw(content: bytes) -> None:
    assert inspect(content) == image.ImageSeen("raw", len(content), len(content))


@given(st.binary(max_size=300))
def test_no_header_breaks_the_reader(tail: bytes) -> None:
    for content in (tail, b"QFI\xfb" + tail, b"QFI\xfb\0\0\0\3" + bytes(8) + tail):
        try:
            inspect(content)
        except CloudError as error:
            if error.code != "IMAGE_REFUSED":
                raise


class _Handler(http.server.BaseHTTPRequestHandler):
    content = b""

    def do_GET(self) -> None:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.send_error(401)
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/image")
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url(qcow2: bytes) -> Iterator[str]:
    handler = type("Handler", (_Handler,), {"content": qcow2})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def entry(source: str, content: bytes, **fields: Any) -> dict[str, Any]:
    checksum = {"algorithm": "sha512", "value": hashlib.sha512(content).hexdigest()}
    size = len(content)
    return image_entry(
        **{"url": source, "token": TOKEN, "size_bytes": size, "checksum": checksum, **fields}
    )


def test_an_image_is_fetched_with_its_token(url: str, qcow2: bytes, tmp_path: Path) -> None:
    image.fetch(entry(f"{url}/image", qcow2), str(tmp_path / "cached"))
    assert (tmp_path / "cached").read_bytes() == qcow2


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("/image", {"token": "wrong"}, "IMAGE_UNREACHABLE"),
        ("/moved", {}, "IMAGE_UNREACHABLE"),
        ("/image", {"url": "file:///etc/passwd"}, "IMAGE_UNREACHABLE"),
        ("/image", {"url": "http://127.0.0.1:1/"}, "IMAGE_UNREACHABLE"),
        ("/image", {"size_bytes": 10}, "IMAGE_DIFFERS"),
        ("/image", {"size_bytes": 10**9}, "IMAGE_DIFFERS"),
        ("/image", {"checksum": {"algorithm": "md5", "value": "0" * 32}}, "IMAGE_DIFFERS"),
        ("/image", {"disk_format": "raw"}, "IMAGE_REFUSED"),
    ],
)
def test_what_is_not_as_registered_leaves_nothing(
    url: str, qcow2: bytes, tmp_path: Path, path: str, fields: dict[str, Any], code: str
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    with pytest.raises(CloudError) as error:
        image.fetch(entry(url + path, qcow2, **fields), str(folder / "cached"))
    assert error.value.code == code
    assert TOKEN not in error.value.message
    assert list(folder.iterdir()) == []
