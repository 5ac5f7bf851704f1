"""The target kind ``host``: how a host's servers are written as a document and its result back."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from freehold.access import Tokens, Vault, read_secret
from freehold.compute.document import host_document
from freehold.compute.write_back import expire, run_failed, write_back
from freehold.config import Config
from freehold.jobs import Scope, TargetKind


def target_kinds(config: Config, tokens: Tokens) -> list[TargetKind]:
    """The kinds of target that this room has rows for."""
    vault = Vault(read_secret(config.secret_file))

    def document(session: Session, name: str, scope: Scope, now: datetime) -> dict[str, Any] | None:
        return host_document(session, name, scope, now, tokens=tokens, vault=vault, config=config)

    return [
        TargetKind(
            kind="host",
            playbook="host.yml",
            document=document,
            write_back=write_back,
            failed=partial(run_failed, config=config),
            expire=partial(expire, config=config),
            time_limit_s=config.job_time_limit_s,
            look_every_s=config.look_every_s,
        )
    ]
