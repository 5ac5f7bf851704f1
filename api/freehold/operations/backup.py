"""Backups: all that the control plane knows in one file, and a control plane made from one.

A backup is a tar archive: ``manifest.json`` first, ``database`` (see ``store.snapshot``), ``etc/``
(settings, secret, the administrator's password, policies), and on request ``images/``. It holds
secrets: whoever has it can open every tenant's things. What runs on hosts is not in it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import select

from freehold.config import Config
from freehold.errors import BadRequest, Conflict, Unavailable
from freehold.image import Image
from freehold.jobs import resume
from freehold.store import Store, migrate, snapshot

FORMAT = 1
MANIFEST, DATABASE = "manifest.json", "database"


class SavedImage(BaseModel):
    """An image of the database, and whether its data is in the backup."""

    id: str = Field(pattern=r"^[0-9A-Za-z-]+$")
    name: str | None
    size: int
    sha512: str
    contained: bool


class Manifest(BaseModel):
    """What a backup holds.

    Attributes:
        engine: ``sqlite`` or ``postgresql``.
        migration: The schema's; a version of Freehold that does not know it refuses the backup.
        sha256: Of each file but the images.
    """

    format: int = FORMAT
    saved_at: datetime
    engine: str
    migration: str
    sha256: dict[str, str]
    images: list[SavedImage]


def backup(
    store: Store, config: Config, settings: Path, file: Path, now: datetime, *, images: bool
) -> Manifest:
    """Write a backup while the service goes on working; ``file`` is whole or not there.

    Args:
        settings: The service's settings file; one that is not there is left out.
        file: Where to; only its owner may read it.
        images: Put the images' data in too.

    Raises:
        Conflict: The file exists.
        Unavailable: The database is not of this version, or something cannot be read or written.
    """
    migrate.require_head(store)
    if file.exists():
        raise Conflict(f"{file} exists; a backup never replaces a file.")
    try:
        with TemporaryDirectory(prefix=".backup-", dir=file.parent) as folder:
            database = Path(folder) / DATABASE
            with store.read() as session:
                snapshot.save(session, store, database)
                found = session.scalars(select(Image).where(Image.size.is_not(None))).all()
            parts = {DATABASE: database} | _settings(config, settings)
            manifest = Manifest(
                saved_at=now,
                engine="sqlite" if store.is_sqlite else "postgresql",
                migration=migrate.head(),
                sha256={name: _digest(part, "sha256") for name, part in parts.items()},
                images=[_saved(image, config, contained=images) for image in found],
            )
            for image in manifest.images:
                if image.contained:
                    parts[f"images/{image.id}"] = config.images_dir / image.id
            whole = Path(folder) / "whole"
            _write(whole, manifest, parts)
            # Unlike a rename, a link never takes the place of a file that came meanwhile.
            os.link(whole, file)
    except OSError as error:
        raise Unavailable(f"The backup failed: {error}") from error
    return manifest


def _settings(config: Config, settings: Path) -> dict[str, Path]:
    parts = {name: place for name, place in _places(config, settings).items() if place.is_file()}
    for policy in sorted(config.policy_dir.glob("*")):
        if policy.is_file():
            parts[f"etc/policy.d/{policy.name}"] = policy
    return parts


def _places(config: Config, settings: Path) -> dict[str, Path]:
    return {
        "etc/freehold.toml": settings,
        "etc/secret": config.secret_file,
        "etc/admin-password": config.admin_password_file,
    }


def _saved(image: Image, config: Config, *, contained: bool) -> SavedImage:
    there = contained and (config.images_dir / image.id).is_file()
    return SavedImage(
        id=image.id,
        name=image.name,
        size=image.size or 0,
        sha512=image.os_hash_value or "",
        contained=there,
    )


def _write(file: Path, manifest: Manifest, parts: dict[str, Path]) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        with tarfile.open(fileobj=out, mode="w") as archive:
            data = manifest.model_dump_json(indent=2).encode()
            head = tarfile.TarInfo(MANIFEST)
            head.size, head.mode = len(data), 0o600
            archive.addfile(head, io.BytesIO(data))
            for name, part in parts.items():
                archive.add(part, name, recursive=False)
        out.flush()
        os.fsync(out.fileno())


def _digest(file: Path, algorithm: str) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, algorithm).hexdigest()


def restore(store: Store, config: Config, settings: Path, file: Path, now: datetime) -> Manifest:
    """Make an empty control plane what it was when the backup was made, at this version's schema.

    Nothing that is there is replaced: a file that is there already must be the same (except the
    settings file, which belongs to the machine). The database comes last, so that a restore that
    was cut off can be repeated. Run it before the service's first start.

    Raises:
        BadRequest: The file is no backup, or is damaged.
        Conflict: Something else is there already, or the backup is of a newer version.
        Unavailable: Something cannot be read or written.
    """
    if not snapshot.is_empty(store):
        raise Conflict(
            f"The database {store.engine.url.render_as_string()} has tables already. Restore "
            "before the service's first start, or put the database away."
        )
    try:
        config.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite's file is renamed into its place at the end, so it has to be on the same disk.
        beside = Path(store.engine.url.database or "").parent if store.is_sqlite else None
        with TemporaryDirectory(prefix=".restore-", dir=beside or config.state_dir) as folder:
            return _restore(store, config, settings, file, Path(folder), now)
    except tarfile.TarError as error:
        raise BadRequest(f"{file} is not a backup, or is damaged: {error}") from error
    except OSError as error:
        raise Unavailable(f"The restore failed: {error}") from error


def _restore(
    store: Store, config: Config, settings: Path, file: Path, folder: Path, now: datetime
) -> Manifest:
    with tarfile.open(file) as archive:
        manifest = _manifest(archive, file)
        for name, digest in manifest.sha256.items():
            part = _unpack(archive, name, folder)
            if _digest(part, "sha256") != digest:
                raise BadRequest(f"{file} is damaged: {name} is not what was saved.")
        wanted = dict(_wanted(manifest, config, settings))
        for name, place in wanted.items():
            if place.exists() and place != settings and not _same(place, folder / _flat(name)):
                raise Conflict(f"{place} exists and is not the backup's; put it away first.")
        for name, place in wanted.items():
            if not place.exists():
                mode = 0o644 if place.parent == config.policy_dir else 0o600
                _place(folder / _flat(name), place, mode)
        for image in manifest.images:
            if image.contained and not (config.images_dir / image.id).exists():
                part = _unpack(archive, f"images/{image.id}", folder)
                if _digest(part, "sha512") != image.sha512:
                    raise BadRequest(f"{file} is damaged: image {image.id} is not what was saved.")
                _place(part, config.images_dir / image.id, 0o600)
                part.unlink()
    sqlite = manifest.engine == "sqlite"
    with snapshot.load(store, folder / DATABASE, sqlite=sqlite) as loaded, loaded.write() as rows:
        resume(rows, manifest.saved_at, now)
    return manifest


def _manifest(archive: tarfile.TarFile, file: Path) -> Manifest:
    head = archive.next()
    data = archive.extractfile(head) if head is not None and head.name == MANIFEST else None
    try:
        found = json.loads(data.read()) if data is not None else None
        manifest = Manifest.model_validate(found)
    except (ValueError, ValidationError) as error:
        raise BadRequest(f"{file} is not a backup of Freehold.") from error
    if manifest.format != FORMAT or not migrate.knows(manifest.migration):
        raise Conflict(f"{file} was made by a newer version of Freehold; install that one first.")
    return manifest


def _unpack(archive: tarfile.TarFile, name: str, folder: Path) -> Path:
    """Write one file of the archive into ``folder``, under a name of ours."""
    try:
        data = archive.extractfile(name)
    except KeyError:
        data = None
    if data is None:
        raise BadRequest(f"The backup is damaged: it has no {name}.")
    part = folder / _flat(name)
    with part.open("wb") as out:
        shutil.copyfileobj(data, out)
    return part


def _flat(name: str) -> str:
    return name.replace("/", "_")


def _wanted(manifest: Manifest, config: Config, settings: Path) -> Iterator[tuple[str, Path]]:
    places = _places(config, settings)
    for name in manifest.sha256:
        if name in places:
            yield name, places[name]
        elif name != DATABASE:
            yield name, config.policy_dir / Path(name).name


def _same(one: Path, other: Path) -> bool:
    return _digest(one, "sha256") == _digest(other, "sha256")


def _place(part: Path, place: Path, mode: int) -> None:
    """Copy a file to its place, where it appears as a whole."""
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.restored")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as out, part.open("rb") as data:
        shutil.copyfileobj(data, out)
        os.fchmod(out.fileno(), mode)
        os.fsync(out.fileno())
    new.rename(place)
