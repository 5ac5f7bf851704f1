"""The same run again, by hand: a job's document in a folder and the very command that a worker ran.

Checking needs nothing. Applying takes the target's lease, so that no worker runs there at the same
time, and then asks for a full look, so that what is wanted *now* has the last word over an old
document.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from freehold.access import Tokens
from freehold.config import Config
from freehold.errors import Conflict
from freehold.jobs.job import Job, Seal
from freehold.jobs.runner import environment
from freehold.jobs.target import Target, want
from freehold.store import Store, new_id, utc_now

LINK_LIFETIME = timedelta(hours=1)


class Replay:
    """Replays jobs of one service on its control host."""

    def __init__(self, config: Config, store: Store, seal: Seal, tokens: Tokens) -> None:
        self._config = config
        self._store = store
        self._seal = seal
        self._tokens = tokens

    def save(self, job: Job, folder: Path) -> int:
        """Write the document into ``folder`` and print the command that applies it."""
        folder = folder.absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(job, folder)
        print(
            f"{folder}/document.json is the document (it holds secrets). To see what it would do:"
        )
        variables = {"ANSIBLE_CONFIG": str(self._config.project_dir / "ansible.cfg")}
        words = [f"{key}={shlex.quote(value)}" for key, value in variables.items()]
        print(" ".join([*words, shlex.join(self._command(job, folder, apply=False))]))
        print("To apply it, leave out --check.")
        return 0

    def run(self, job: Job, *, apply: bool) -> int:
        """Run it in the foreground; returns ansible-playbook's exit status."""
        token = f"replay:{new_id()}"
        if apply:
            self._lease(job, token)
        folder = self._config.run_dir / token.replace(":", "-")
        try:
            folder.mkdir(mode=0o700, parents=True)
            self._write(job, folder)
            command = self._command(job, folder, apply=apply)
            print("+", shlex.join(command), flush=True)
            env = {**os.environ, **environment(self._config, folder)}
            return subprocess.run(command, env=env, check=False).returncode
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if apply:
                self._release(job, token)

    def _write(self, job: Job, folder: Path) -> None:
        document = self._fresh_links(self._seal.open(job.sealed))
        path = folder / "document.json"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(document, file, indent=2)

    def _fresh_links(self, document: dict[str, Any]) -> dict[str, Any]:
        """Image links are good for an hour; an old document gets new ones."""
        linked = [*document.get("images", []), *document.get("snapshots", [])]
        for entry in linked:
            if "url" in entry:
                path = urlsplit(entry["url"]).path
                entry["token"] = self._tokens.sign_link(path, utc_now() + LINK_LIFETIME)
        return document

    def _command(self, job: Job, folder: Path, *, apply: bool) -> list[str]:
        variables: Mapping[str, str] = {
            "freehold_document": str(folder / "document.json"),
            "freehold_result": str(folder / "result.json"),
        }
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            str(self._config.inventory),
            str(self._config.project_dir / "playbooks" / job.playbook),
        ]
        if job.limit:
            command += ["--limit", job.limit]
        for key, value in variables.items():
            command += ["-e", f"{key}={value}"]
        return [*command, "--diff"] if apply else [*command, "--check", "--diff"]

    def _lease(self, job: Job, token: str) -> None:
        now = utc_now()
        with self._store.write() as session:
            target = session.get(Target, (job.kind, job.name))
            if target is None or (target.lease_until and target.lease_until > now):
                raise Conflict(
                    f"A job is running on {job.kind}/{job.name}; try again when it ended."
                )
            target.lease = token
            target.lease_until = now + timedelta(seconds=self._config.job_time_limit_s)

    def _release(self, job: Job, token: str) -> None:
        now = utc_now()
        with self._store.write() as session:
            target = session.get_one(Target, (job.kind, job.name))
            if target.lease == token:
                target.lease = target.lease_until = None
            want(session, job.kind, job.name, now, look=True)
