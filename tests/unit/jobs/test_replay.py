"""Replaying a job by hand: fresh links, the target's lease, and the wish that has the last word."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from freehold.errors import Conflict
from freehold.jobs import Target, want
from freehold.jobs.job import Job, Seal
from freehold.jobs.replay import Replay
from freehold.store import utc_now
from tests.support.service import Service

SEAL = Seal(b"s" * 64)
PATH = "/v1/images/11111111-1111-1111-1111-111111111111/data"
DOCUMENT = {
    "format": 1,
    "target": {"kind": "host", "name": "hv1"},
    "scope": "changes",
    "images": [{"id": "1", "url": f"http://control:5000{PATH}", "token": "1.stale"}],
    "servers": [],
}


@pytest.fixture
def job(service: Service) -> Job:
    """A finished job of host/hv1."""
    made = Job(
        kind="host",
        name="hv1",
        lease="worker:1",
        playbook="converge/host.yml",
        limit="hv1",
        scope="changes",
        state="successful",
        started_at=utc_now(),
        sealed=SEAL.close(DOCUMENT),
    )
    with service.store.write() as session:
        session.add(made)
        want(session, "host", "hv1", utc_now())
    return made


@pytest.fixture
def replay(service: Service) -> Replay:
    return Replay(service.config, service.store, SEAL, service.app.state.access.tokens)


def test_a_saved_document_is_private_and_its_links_are_good_again(
    service: Service, replay: Replay, job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay.save(job, tmp_path / "kept") == 0
    path = tmp_path / "kept" / "document.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    (image,) = json.loads(path.read_text())["images"]
    service.app.state.access.tokens.check_link(PATH, image["token"], utc_now())
    printed = capsys.readouterr().out
    assert "--limit hv1" in printed
    assert "--check" in printed
    assert image["token"] not in printed


def test_applying_is_refused_while_a_worker_has_the_target(
    service: Service, replay: Replay, job: Job
) -> None:
    with service.store.write() as session:
        target = session.get_one(Target, ("host", "hv1"))
        target.lease, target.lease_until = "worker:2", utc_now() + timedelta(seconds=30)
    with pytest.raises(Conflict, match="host/hv1"):
        replay.run(job, apply=True)
    assert list(service.config.run_dir.glob("*")) == []


def test_after_applying_the_target_is_free_and_is_looked_at(
    service: Service, replay: Replay, job: Job
) -> None:
    replay.run(job, apply=True)
    with service.store.read() as session:
        target = session.get_one(Target, ("host", "hv1"))
    assert (target.lease, target.look, target.wanted) == (None, True, 2)
    assert list(service.config.run_dir.glob("*")) == []


def test_a_document_of_another_secret_cannot_be_opened(
    service: Service, job: Job, tmp_path: Path
) -> None:
    stranger = Replay(
        service.config, service.store, Seal(b"x" * 64), service.app.state.access.tokens
    )
    with pytest.raises(Conflict, match="another secret"):
        stranger.save(job, tmp_path / "kept")
