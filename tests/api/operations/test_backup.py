"""A control plane made from a backup is the one that was saved: same users, servers, work to do."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from freehold.access import Caller, Scope
from freehold.app import create_app, target_kinds
from freehold.cli import main
from freehold.compute.server import Server
from freehold.config import Config
from freehold.errors import BadRequest, Conflict, FreeholdError
from freehold.jobs import Target
from freehold.jobs.job import Seal
from freehold.jobs.lease import take
from freehold.jobs.worker import Worker
from freehold.operations.backup import backup, restore
from freehold.store import Store, migrate, snapshot, utc_now
from tests.api.compute import cloud as compute
from tests.api.identity import conftest as identity
from tests.support.database import fresh
from tests.support.lab import until
from tests.support.machines import PaperMachines
from tests.support.service import Service


def plane(folder: Path) -> Config:
    """Settings of a control plane that has nothing yet, and whose folders are its own."""
    folder.mkdir()
    return Config(
        database=fresh(folder),
        state_dir=folder / "state",
        run_dir=folder / "jobs",
        project_dir=Path(__file__).resolve().parents[3],
        secret_file=folder / "etc" / "secret",
        policy_dir=folder / "etc" / "policy.d",
        workers=False,
    )


def settings(config: Config) -> Path:
    return config.secret_file.with_name("freehold.toml")


def start(config: Config) -> Service:
    store = Store(config.database)
    migrate.require_head(store)
    return Service(create_app(config, store), store, config)


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[Service]:
    """A service of which a user has a server that no host has seen yet."""
    config = plane(tmp_path / "saved")
    config.policy_dir.mkdir(parents=True)
    (config.policy_dir / "mine.yaml").write_text("{}\n")
    config.secret_file.write_text("s" * 64)
    config.admin_password_file.write_text(identity.ADMIN_PASSWORD)
    settings(config).write_text('region = "RegionOne"\n')
    migrate.upgrade(Store(config.database))
    service = start(config)
    assert identity.bootstrapped(service)
    yield service
    service.store.close()


@pytest.fixture
def ann(saved: Service) -> str:
    """Id of the server of user ann, whom the saved service knows by her password."""
    people = identity.Cloud(saved)
    people.admin_token = people.client().headers["X-Auth-Token"]
    user, _ = people.member("ann", "demo")
    project = people.admin.get("/identity/v3/projects?name=demo").json()["projects"][0]
    cloud = compute.make(saved, networked=False)
    cloud.caller = Caller(
        user_id=user["id"],
        user_name="ann",
        user_domain_id="default",
        user_domain_name="Default",
        scope=Scope(project["id"], "demo", "default", "Default"),
        roles=("member", "reader"),
        methods=("password",),
    )
    cloud.network_id = compute.network(cloud, "lan")
    return cloud.create()


def save(service: Service, file: Path, *, images: bool = False) -> Path:
    backup(service.store, service.config, settings(service.config), file, utc_now(), images=images)
    return file


def bring_back(file: Path, config: Config) -> None:
    store = Store(config.database)
    restore(store, config, settings(config), file, utc_now())
    store.close()


def servers_of_ann(service: Service) -> list[dict[str, Any]]:
    """What ann sees when she logs in with her password."""
    client = identity.Cloud(service).client("ann", "secret", project="demo")
    answer = client.get("/compute/v2.1/servers/detail")
    assert answer.status_code == 200, answer.text
    shown: list[dict[str, Any]] = answer.json()["servers"]
    return shown


def test_the_same_user_sees_the_same_servers_and_they_converge(
    saved: Service, ann: str, tmp_path: Path
) -> None:
    before = servers_of_ann(saved)
    assert [(server["id"], server["status"]) for server in before] == [(ann, "BUILD")]
    with saved.store.write() as session:
        held = take(session, utc_now(), ["host", "network"], "the worker that was", 10)
    assert {lease.kind for lease in held} == {"host", "network"}

    config = plane(tmp_path / "restored")
    bring_back(save(saved, tmp_path / "file"), config)
    service = start(config)

    assert servers_of_ann(service) == before
    kinds = target_kinds(config, service.app.state.access.tokens)
    machines = PaperMachines()
    worker = Worker(service.store, kinds, machines, Seal(b"s" * 64), utc_now)
    worker.start()
    try:
        until(
            "the server is ACTIVE",
            lambda: [server["status"] for server in servers_of_ann(service)] == ["ACTIVE"],
            30,
        )
        until("every target is settled", lambda: not due(service), 30)
    finally:
        worker.stop()
    documents = [run.document for run in machines.runs if run.document is not None]
    looked = {one["target"]["kind"] for one in documents if one["scope"] == "all"}
    assert looked == {"host", "network"}
    service.store.close()


def due(service: Service) -> int:
    with service.store.read() as session:
        count = select(func.count()).where(Target.wanted > Target.done).select_from(Target)
        return session.scalar(count) or 0


def test_a_backup_of_sqlite_serves_on_either_engine(tmp_path: Path) -> None:
    config = replace(plane(tmp_path / "lite"), database=f"sqlite:///{tmp_path}/lite/lite.sqlite")
    config.secret_file.parent.mkdir()
    config.secret_file.write_text("s" * 64)
    migrate.upgrade(Store(config.database))
    service = start(config)
    assert identity.bootstrapped(service)
    file = save(service, tmp_path / "file")
    service.store.close()

    config = plane(tmp_path / "restored")
    bring_back(file, config)
    service = start(config)
    people = identity.Cloud(service)
    people.admin_token = people.client().headers["X-Auth-Token"]
    people.member("ann", "demo")
    assert servers_of_ann(service) == []
    service.store.close()


def test_time_on_the_shelf_counts_against_no_deadline(
    saved: Service, ann: str, tmp_path: Path
) -> None:
    file = save(saved, tmp_path / "file")
    config = plane(tmp_path / "restored")
    store = Store(config.database)
    later = utc_now() + timedelta(days=30)
    restore(store, config, settings(config), file, later)
    with store.read() as session:
        deadline = session.get_one(Server, ann).deadline
    assert deadline is not None
    assert later < deadline < later + timedelta(hours=1)
    store.close()


def test_settings_secret_password_and_policies_come_back(saved: Service, tmp_path: Path) -> None:
    config = plane(tmp_path / "restored")
    bring_back(save(saved, tmp_path / "file"), config)
    for mine, theirs in zip(kept(config), kept(saved.config), strict=True):
        assert mine.read_bytes() == theirs.read_bytes()
        assert stat.S_IMODE(mine.stat().st_mode) == (0o644 if mine.suffix == ".yaml" else 0o600)


def kept(config: Config) -> list[Path]:
    etc = config.secret_file.parent
    names = ("secret", "admin-password", "freehold.toml", "policy.d/mine.yaml")
    return [etc / name for name in names]


def test_images_are_listed_and_their_data_comes_along_on_request(
    saved: Service, ann: str, tmp_path: Path
) -> None:
    (image,) = saved.config.images_dir.iterdir()
    for images in (False, True):
        file = save(saved, tmp_path / f"file-{images}", images=images)
        with tarfile.open(file) as archive:
            head = archive.extractfile("manifest.json")
            assert head is not None
            listed = json.load(head)["images"]
        assert [(one["id"], one["contained"]) for one in listed] == [(image.name, images)]
        config = plane(tmp_path / f"restored-{images}")
        bring_back(file, config)
        copies = list(config.images_dir.glob("*"))
        assert [copy.name for copy in copies] == ([image.name] if images else [])
        assert all(copy.read_bytes() == image.read_bytes() for copy in copies)


def test_nothing_that_is_there_is_replaced(saved: Service, tmp_path: Path) -> None:
    file = save(saved, tmp_path / "file")
    with pytest.raises(Conflict, match="never replaces"):
        save(saved, file)
    with pytest.raises(Conflict, match="has tables already"):
        bring_back(file, saved.config)
    config = plane(tmp_path / "restored")
    config.secret_file.parent.mkdir()
    config.secret_file.write_text("t" * 64)
    with pytest.raises(Conflict, match="secret exists and is not the backup's"):
        bring_back(file, config)
    assert config.secret_file.read_text() == "t" * 64
    config.secret_file.unlink()
    bring_back(file, config)


def changed_manifest(file: Path, **fields: Any) -> None:
    """Write the backup again with another manifest."""
    with tarfile.open(file) as archive:
        parts = {
            member.name: data.read()
            for member in archive
            if (data := archive.extractfile(member)) is not None
        }
    manifest = json.loads(parts["manifest.json"]) | fields
    parts["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(file, "w") as archive:
        for name, data in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def no_archive(file: Path) -> None:
    file.write_bytes(b"not a tar archive" * 1000)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: -file.stat().st_size // 2])


def another_secret(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"s" * 64, b"t" * 64))


def of_tomorrow(file: Path) -> None:
    changed_manifest(file, migration="of_tomorrow")


def of_another_form(file: Path) -> None:
    changed_manifest(file, format=2)


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (no_archive, BadRequest, "is not a backup"),
        (cut_off, BadRequest, "damaged"),
        (another_secret, BadRequest, "damaged: etc/secret"),
        (of_tomorrow, Conflict, "newer version"),
        (of_another_form, Conflict, "newer version"),
    ],
)
def test_what_is_no_whole_backup_of_ours_leaves_the_machine_empty(
    saved: Service,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    error: type[FreeholdError],
    words: str,
) -> None:
    file = save(saved, tmp_path / "file")
    spoil(file)
    config = plane(tmp_path / "restored")
    with pytest.raises(error, match=words):
        bring_back(file, config)
    assert not config.secret_file.exists()
    assert snapshot.is_empty(Store(config.database))


def test_the_command_leaves_only_files_that_others_cannot_read(
    saved: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for config in (saved.config, target := plane(tmp_path / "restored")):
        monkeypatch.setenv("FREEHOLD_DATABASE", config.database)
        monkeypatch.setenv("FREEHOLD_STATE_DIR", str(config.state_dir))
        monkeypatch.setenv("FREEHOLD_SECRET_FILE", str(config.secret_file))
        monkeypatch.setenv("FREEHOLD_POLICY_DIR", str(config.policy_dir))
        monkeypatch.setenv("FREEHOLD_CONFIG", str(settings(saved.config)))
        verb = "backup" if config is saved.config else "restore"
        before = os.umask(0o022)
        try:
            assert main([verb, str(tmp_path / "file")]) == 0
        finally:
            os.umask(before)
    made = [tmp_path / "file", *(path for path in target.state_dir.parent.rglob("*"))]
    open_to_others = [
        path
        for path in made
        if path.is_file() and path.suffix != ".yaml" and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert open_to_others == []
