"""openstacksdk and the ``openstack`` command as oracles for images, over loopback."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack.connection import Connection
from openstack.exceptions import ForbiddenException, NotFoundException

from freehold.identity import bootstrap
from freehold.store import utc_now
from tests.api.image.glance import DATA
from tests.support.service import build, free_port, serve

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
PASSWORD = "correct horse"
AUTH = {
    "username": "admin",
    "password": PASSWORD,
    "project_name": "admin",
    "user_domain_name": "Default",
    "project_domain_name": "Default",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bootstrapped service on loopback."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    service = build(tmp_path_factory.mktemp("served"), public_url=base)
    with service.store.write() as session:
        bootstrap(
            session, admin_password=PASSWORD, region="RegionOne", public_url=base, now=utc_now()
        )
    with serve(service, port):
        yield base
    service.store.close()


@pytest.fixture
def sdk(url: str) -> Iterator[Connection]:
    """The SDK as admin."""
    auth = AUTH | {"auth_url": f"{url}/identity"}
    with openstack.connect(load_yaml_config=False, load_envvars=False, auth=auth) as connection:
        yield connection


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A file to upload."""
    path = tmp_path / "disk.raw"
    path.write_bytes(DATA)
    return path


def test_the_sdk_uploads_finds_and_downloads(sdk: Connection, disk: Path) -> None:
    image = sdk.create_image(
        "sdk image", filename=str(disk), disk_format="raw", container_format="bare", wait=True
    )
    assert image.status == "active"
    assert image.checksum == hashlib.md5(DATA).hexdigest()
    found = sdk.image.find_image("sdk image")
    assert found is not None
    assert found.id == image.id
    assert sdk.image.download_image(image).content == DATA
    assert [entry.id for entry in sdk.image.images(limit=1)] == [image.id]
    sdk.image.delete_image(image)
    with pytest.raises(NotFoundException):
        sdk.image.get_image(image.id)


def test_the_sdk_changes_tags_and_shares(sdk: Connection) -> None:
    image = sdk.image.create_image(
        name="shared one", disk_format="qcow2", container_format="bare", visibility="shared"
    )
    changed = sdk.image.update_image(image, name="renamed", min_disk=2, os_distro="debian")
    assert (changed.name, changed.min_disk, changed.os_distro) == ("renamed", 2, "debian")
    sdk.image.add_tag(image, "x")
    assert sdk.image.get_image(image.id).tags == ["x"]
    sdk.image.remove_tag(image, "x")
    sdk.image.add_member(image, member="a" * 32)
    sdk.image.update_member("a" * 32, image, status="accepted")
    assert [member.status for member in sdk.image.members(image)] == ["accepted"]
    sdk.image.remove_member("a" * 32, image)
    sdk.image.update_image(image, is_protected=True)
    with pytest.raises(ForbiddenException):
        sdk.image.delete_image(image)
    sdk.image.update_image(image, is_protected=False)
    assert sdk.image.get_images_schema().properties
    sdk.image.delete_image(image)


def _openstack(url: str, *words: str) -> Any:
    """Run the ``openstack`` command; its JSON where it prints some."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
    environ |= {f"OS_{key.upper()}": value for key, value in AUTH.items()}
    environ |= {"OS_AUTH_URL": f"{url}/identity", "OS_IDENTITY_API_VERSION": "3"}
    command = [str(Path(sys.executable).with_name("openstack")), *words]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "json" in words else done.stdout


def test_the_command_line_makes_changes_and_saves_an_image(
    url: str, disk: Path, tmp_path: Path
) -> None:
    made = _openstack(
        url,
        *("image", "create", "cli image", "--file", str(disk), "--disk-format", "raw"),
        *("--property", "os_distro=debian", "--tag", "small", "--public", "-f", "json"),
    )
    assert made["status"] in ("queued", "active")
    _openstack(
        url,
        *("image", "set", "cli image", "--name", "cli image 2", "--min-disk", "1"),
        *("--property", "os_version=12"),
    )
    shown = _openstack(url, "image", "show", "cli image 2", "-f", "json")
    assert (shown["id"], shown["status"], shown["min_disk"]) == (made["id"], "active", 1)
    assert (shown["visibility"], shown["tags"]) == ("public", ["small"])
    assert shown["properties"]["os_distro"] == "debian"
    assert shown["properties"]["os_version"] == "12"
    _openstack(url, "image", "save", "cli image 2", "--file", str(tmp_path / "saved"))
    assert (tmp_path / "saved").read_bytes() == DATA
    _openstack(url, "image", "delete", "cli image 2")
