"""A whole service on loopback whose machines are of paper: for conformance of the APIs alone.

``python -m tests.conformance.paper .lab/paper`` serves until it is interrupted; its clouds.yaml is
in that folder. Nothing needs root, and nothing that a machine would show is tested there.
"""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

import uvicorn
import yaml

from freehold.access import Tokens, read_secret
from freehold.app import create_app, target_kinds
from freehold.config import Config
from freehold.hosts import HostWish, register
from freehold.http.application import KEEP_ALIVE_S
from freehold.identity import bootstrap
from freehold.jobs.job import Seal
from freehold.jobs.worker import Worker
from freehold.store import Store, migrate, utc_now
from tests.support.machines import PaperMachines
from tests.support.service import free_port

CHECKOUT = Path(__file__).resolve().parents[2]
HOSTS = ("hv1", "hv2")


def build(folder: Path, port: int) -> tuple[Config, Store, str]:
    """A fresh database with an administrator and two hosts; gives the password too."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for stale in folder.glob("freehold.sqlite*"):
        stale.unlink()
    (folder / "secret").write_text(secrets.token_hex(32))
    config = Config(
        database=f"sqlite:///{folder}/freehold.sqlite",
        state_dir=folder / "state",
        run_dir=folder / "jobs",
        secret_file=folder / "secret",
        policy_dir=folder / "policy.d",
        project_dir=CHECKOUT,
        public_url=f"http://127.0.0.1:{port}",
        lockout_attempts=3,
        lockout_s=5,
        password_history=2,
    )
    store, password = Store(config.database), secrets.token_urlsafe(18)
    migrate.upgrade(store)
    with store.write() as session:
        bootstrap(
            session,
            admin_password=password,
            region=config.region,
            public_url=config.public_url,
            now=utc_now(),
        )
        for name in HOSTS:
            register(session, name, HostWish(), utc_now())
    return config, store, password


def clouds(config: Config, password: str) -> dict[str, object]:
    """The administrator's clouds.yaml."""
    auth = {
        "auth_url": f"{config.public_url}/identity/v3",
        "username": "admin",
        "password": password,
        "project_name": "admin",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    return {"clouds": {"freehold-admin": {"auth": auth, "region_name": config.region}}}


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    options = parser.parse_args()
    folder, port = options.folder.resolve(), options.port or free_port()
    config, store, password = build(folder, port)
    secret = read_secret(config.secret_file)
    worker = Worker(
        store,
        target_kinds(config, Tokens(secret, config.token_lifetime_s)),
        PaperMachines(),
        Seal(secret),
        utc_now,
    )
    file = folder / "clouds.yaml"
    file.write_text(yaml.safe_dump(clouds(config, password)))
    file.chmod(0o600)
    print(f"{config.public_url}  {file}", flush=True)
    app = create_app(config, store, worker=worker)
    uvicorn.run(
        app, host="127.0.0.1", port=port, log_level="warning", timeout_keep_alive=KEEP_ALIVE_S
    )


if __name__ == "__main__":
    main()
