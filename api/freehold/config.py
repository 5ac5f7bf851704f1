"""Settings of the service: one TOML file, each key also as ``FREEHOLD_<KEY>`` in the environment.

Everything has a default that suits one computer. Secrets are never settings: ``secret_file`` names
the file that holds the signing key.
"""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from freehold.errors import BadRequest

DEFAULT_PATH = Path("/etc/freehold/freehold.toml")


@dataclass(frozen=True)
class Config:
    """All settings. Paths are absolute; times in seconds; sizes carry their unit in the name.

    Attributes:
        lockout_attempts: Wrong passwords in a row after which a user cannot log in with one for
            ``lockout_s``; 0 locks nobody.
        password_history: How many of their last passwords users cannot choose again; 0 is off.
    """

    database: str = "sqlite:////var/lib/freehold/freehold.sqlite"
    state_dir: Path = Path("/var/lib/freehold")
    run_dir: Path = Path("/run/freehold/jobs")
    project_dir: Path = Path("/opt/freehold/src")
    inventory: Path = Path("/etc/freehold/inventory")
    secret_file: Path = Path("/etc/freehold/secret")
    policy_dir: Path = Path("/etc/freehold/policy.d")
    public_url: str = "http://127.0.0.1:5000"
    listen_host: str = "127.0.0.1"
    listen_port: int = 5000
    region: str = "RegionOne"
    token_lifetime_s: int = 43200
    lockout_attempts: int = 0
    lockout_s: int = 1800
    password_history: int = 0
    worker_name: str = socket.gethostname()
    job_slots: int = 4
    job_time_limit_s: int = 300
    build_time_limit_s: int = 600
    look_every_s: int = 600
    max_body_bytes: int = 1_048_576
    image_max_gib: int = 64
    cpu_allocation_ratio: float = 4.0
    memory_allocation_ratio: float = 1.0
    disk_allocation_ratio: float = 1.0
    reserved_host_memory_mib: int = 512
    workers: bool = True

    @property
    def admin_password_file(self) -> Path:
        """Where the role control_plane keeps the first administrator's password."""
        return self.secret_file.with_name("admin-password")

    @property
    def images_dir(self) -> Path:
        """Where uploaded image data lies, a file an image."""
        return self.state_dir / "images"


def settings_file(path: Path | None, environ: Mapping[str, str]) -> Path:
    """The file that ``load`` reads."""
    return path or Path(environ.get("FREEHOLD_CONFIG", DEFAULT_PATH))


def load(path: Path | None = None, environ: dict[str, str] | None = None) -> Config:
    """Read the settings file (a missing default file is fine) and let the environment win.

    Args:
        path: The file; None takes ``FREEHOLD_CONFIG`` or ``/etc/freehold/freehold.toml``.
        environ: Environment to read, the process's own when None.

    Raises:
        BadRequest: A key that does not exist or a value of the wrong type.
    """
    env = dict(os.environ) if environ is None else environ
    file = settings_file(path, env)
    found: dict[str, Any] = {}
    if file != DEFAULT_PATH or file.exists():
        found = tomllib.loads(file.read_text())
    known = {field.name: field for field in fields(Config)}
    for key in known:
        if (value := env.get(f"FREEHOLD_{key.upper()}")) is not None:
            found[key] = value
    if unknown := sorted(set(found) - set(known)):
        raise BadRequest(f"unknown settings {', '.join(unknown)} in {file}")
    return Config(**{key: _typed(key, value) for key, value in found.items()})


def _typed(key: str, value: Any) -> Any:
    wanted = type(getattr(Config(), key))
    try:
        if wanted is bool and isinstance(value, str):
            return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
        return wanted(value)
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest(f"setting {key}: {value!r} is not a {wanted.__name__}") from error
