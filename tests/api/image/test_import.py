"""``playbooks/images/import.yml``: a published image comes in whole and checked, or not at all."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from freehold.identity import bootstrap
from freehold.store import utc_now
from tests.support.lab import run
from tests.support.service import Service, admin, build, free_port, serve

FIRST, SECOND = b"\0" * 512 + b"first", b"\0" * 512 + b"second"


class Quiet(SimpleHTTPRequestHandler):
    """A distributor's server, without a line for each request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def published(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The distributor's folder, and its address."""
    folder = tmp_path / "published"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Service]:
    """A service on loopback, with a clouds.yaml for its administrator."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    service = build(tmp_path, public_url=base)
    with service.store.write() as session:
        bootstrap(
            session, admin_password="secret", region="RegionOne", public_url=base, now=utc_now()
        )
    auth = {
        "auth_url": f"{base}/identity/v3",
        "username": "admin",
        "password": "secret",
        "project_name": "admin",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    clouds = {"clouds": {"freehold-admin": {"auth": auth, "region_name": "RegionOne"}}}
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(clouds))
    with serve(service, port):
        yield service
    service.store.close()


def bring_in(tmp_path: Path, url: str, checksum: str) -> str:
    """Run the playbook; gives its recap, or what it failed with."""
    wanted = {
        "image_import_name": "debian",
        "image_import_url": url,
        "image_import_checksum": checksum,
        "image_import_disk_format": "raw",
        "image_import_min_ram_mib": 64,
        "image_import_properties": {"os_distro": "debian", "os_version": "12"},
        "image_import_clouds_yaml": str(tmp_path / "clouds.yaml"),
        "image_import_folder": str(tmp_path / "downloads"),
    }
    command = (
        ".venv/bin/ansible-playbook",
        "playbooks/images/import.yml",
        "-e",
        json.dumps(wanted),
    )
    return run(*command, check=False, timeout=100).stdout


def images(cloud: Service, **filters: str) -> list[dict[str, Any]]:
    """What the Image API lists."""
    answer = cloud.client(admin()).get("/image/v2/images", params=filters)
    found: list[dict[str, Any]] = answer.json()["images"]
    return found


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_an_image_that_is_not_what_was_published_never_reaches_the_cloud(
    cloud: Service, published: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = published
    (folder / "debian.img").write_bytes(FIRST)
    told = bring_in(tmp_path, f"{url}/debian.img", sha256(SECOND))
    assert "failed=1" in told
    assert "did not match" in told
    assert images(cloud) == []


def test_an_import_happens_once_and_a_newer_one_hides_the_older(
    cloud: Service, published: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = published
    (folder / "1.img").write_bytes(FIRST)
    (folder / "2.img").write_bytes(SECOND)
    assert "failed=0" in bring_in(tmp_path, f"{url}/1.img", sha256(FIRST))
    (first,) = images(cloud)
    assert (first["os_distro"], first["os_version"], first["min_ram"]) == ("debian", "12", 64)
    assert (first["visibility"], first["status"]) == ("public", "active")
    assert "changed=0" in bring_in(tmp_path, f"{url}/1.img", sha256(FIRST))
    assert images(cloud) == [first]
    assert "failed=0" in bring_in(tmp_path, f"file://{folder}/2.img", sha256(SECOND))
    (second,) = images(cloud)
    assert second["os_hash_value"] == hashlib.sha512(SECOND).hexdigest()
    assert [one["id"] for one in images(cloud, os_hidden="true")] == [first["id"]]
