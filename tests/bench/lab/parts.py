"""Where the time from an accepted request to ACTIVE goes, told by the job that made the server."""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from openstack.connection import Connection

from tests.bench.lab.servers import Made

PARTS = (
    "accepted → job begun (wake-up, lease, document)",
    "→ task begun (ansible-runner, Ansible)",
    "→ module begun (ssh, transfer, Python)",
    "module looks and plans",
    "module applies (disk, domain, port bound)",
    "→ ACTIVE seen (result, write-back, poll)",
)
BEFORE_MODULE = 3


def parts_of(admin: Connection, made: Made) -> list[float]:
    """Seconds of each part, for the first job that answered for this server."""
    job = _job_of(admin, made.id)
    events = _events(admin, job["id"])
    began = next(e for e in events if e["event"] == "playbook_on_task_start")
    times = next(e["facts"]["times"] for e in events if e["event"] == "runner_on_ok")
    looked = times["began"] + times["observe"] + times["plan"]
    applied = looked + times["apply"]
    points = [
        made.accepted,
        _seconds(job["started_at"]),
        _seconds(began["at"]),
        times["began"],
        looked,
        applied,
        made.active,
    ]
    return [after - before for before, after in itertools.pairwise(points)]


def medians(measured: Sequence[Sequence[float]]) -> list[float]:
    """The median of each part."""
    return [statistics.median(part) for part in zip(*measured, strict=True)]


def _job_of(admin: Connection, server_id: str) -> dict[str, Any]:
    jobs = _get(admin, "/v1/jobs?kind=host&limit=50").json()["jobs"]
    own = [
        job
        for job in jobs
        if any(one["id"] == server_id and one["steps"] for one in job["resources"])
    ]
    return min(own, key=lambda job: str(job["started_at"]))


def _events(admin: Connection, job_id: str) -> list[dict[str, Any]]:
    lines = _get(admin, f"/v1/jobs/{job_id}/events").text.splitlines()
    told = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    return [one for one in told if one and "event" in one]


def _get(admin: Connection, path: str) -> Any:
    identity = admin.session.get_endpoint(service_type="identity")
    answer = admin.session.get(identity.split("/identity")[0] + path)
    answer.raise_for_status()
    return answer


def _seconds(told: str) -> float:
    at = datetime.fromisoformat(told)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
