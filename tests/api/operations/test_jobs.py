"""Jobs over HTTP, with a worker whose machines are on paper."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.app import create_app, target_kinds
from freehold.hosts import HostWish, register
from freehold.jobs.job import Seal
from freehold.jobs.worker import Worker
from freehold.store import utc_now
from tests.support.lab import until
from tests.support.machines import PaperMachines
from tests.support.service import Service, admin, build, tenant


@pytest.fixture
def machines() -> PaperMachines:
    return PaperMachines()


@pytest.fixture
def service(tmp_path: Path, machines: PaperMachines) -> Iterator[Service]:
    """A service whose worker converges a registered host."""
    made = build(tmp_path)
    secret = made.config.secret_file.read_bytes()
    kinds = target_kinds(made.config, made.app.state.access.tokens)
    worker = Worker(made.store, kinds, machines, Seal(secret), utc_now)
    made.app = create_app(made.config, made.store, worker=worker)
    with made.store.write() as session:
        register(session, "hv1", HostWish(), utc_now())
    worker.start()
    yield made
    machines.gate.set()
    worker.stop()


def job_id(service: Service, state: str) -> str:
    """The id of the host's first job in a state."""

    def found() -> str | None:
        jobs = service.client(admin()).get("/v1/jobs", params={"kind": "host"}).json()["jobs"]
        return next((job["id"] for job in jobs if job["state"] == state), None)

    return str(until(f"a host job is {state}", found, 10))


def events(text: str) -> list[tuple[str, dict[str, object]]]:
    """Read server-sent events: name and data of each."""
    read = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        read.append((lines["event"], json.loads(lines["data"])))
    return read


def test_a_registered_host_is_described_by_its_first_job(service: Service) -> None:
    job = job_id(service, "successful")
    shown = service.client(admin()).get(f"/v1/jobs/{job}").json()["job"]
    assert (shown["target"], shown["scope"]) == ("host/hv1", "all")
    host = service.client(admin()).get("/v1/hosts/hv1").json()["host"]
    assert host["facts"]["vcpus"] == 8


def test_the_stream_tells_the_story_and_its_end(service: Service) -> None:
    job = job_id(service, "successful")
    answer = service.client(admin()).get(f"/v1/jobs/{job}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.text)
    assert [name for name, _ in told] == ["runner_on_ok", "end"]
    assert told[-1][1]["state"] == "successful"


def test_a_stream_goes_on_where_it_was_broken_off(service: Service) -> None:
    job = job_id(service, "successful")
    again = service.client(admin()).get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": "1"})
    assert [name for name, _ in events(again.text)] == ["end"]


def test_a_running_job_can_be_cancelled_and_a_finished_one_not(
    service: Service, machines: PaperMachines
) -> None:
    job_id(service, "successful")
    machines.gate.clear()
    client = service.client(admin())
    assert client.post("/v1/targets/host/hv1/look").status_code == 202
    running = job_id(service, "running")
    assert client.post(f"/v1/jobs/{running}/cancel").status_code == 202
    until("it is cancelled", lambda: job_id(service, "cancelled") == running, 10)
    assert client.post(f"/v1/jobs/{running}/cancel").status_code == 409


def test_the_document_is_shown_to_operators_only(service: Service) -> None:
    job = job_id(service, "successful")
    shown = service.client(admin()).get(f"/v1/jobs/{job}/document").json()["document"]
    assert shown["target"] == {"kind": "host", "name": "hv1"}
    assert service.client(tenant()).get(f"/v1/jobs/{job}/document").status_code == 403


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/x", "/v1/jobs/x/events", "/v1/targets"])
def test_tenants_see_no_jobs(service: Service, path: str) -> None:
    assert service.client(tenant()).get(path).status_code == 403


def test_an_unknown_job_is_not_found(service: Service) -> None:
    answer = service.client(admin()).get("/v1/jobs/nonsense")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "NOT_FOUND"
