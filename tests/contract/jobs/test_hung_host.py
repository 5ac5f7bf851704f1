"""Invariant 8: a host that takes connections and says nothing delays nobody but itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from freehold.access import Tokens
from freehold.compute import target_kinds
from freehold.jobs.job import Seal
from freehold.jobs.runner import AnsibleRunner
from freehold.jobs.worker import Worker
from freehold.store import utc_now
from tests.api.compute.cloud import make
from tests.contract.jobs.conftest import LOCAL, Place, project
from tests.support.lab import until
from tests.support.service import build


@contextmanager
def silent_port() -> Iterator[int]:
    """A port of loopback that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


@contextmanager
def at_work(place: Place, time_limit_s: int, ahead_s: int = 0) -> Iterator[None]:
    """A worker whose runs on hosts end after ``time_limit_s``."""
    service = place.cloud.service
    secret = service.config.secret_file.read_bytes()
    (kind,) = target_kinds(service.config, Tokens(secret, 3600))
    worker = Worker(
        service.store,
        [replace(kind, time_limit_s=time_limit_s)],
        AnsibleRunner(service.config),
        Seal(secret),
        lambda: utc_now() + timedelta(seconds=ahead_s),
        slots=2,
    )
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def statuses(place: Place) -> dict[str, str]:
    """Host → status of the server there."""
    shown = place.cloud.operator.get("/compute/v2.1/servers/detail?all_tenants=1").json()["servers"]
    return {server["OS-EXT-SRV-ATTR:host"]: server["status"] for server in shown}


def test_a_host_that_never_answers_delays_no_other_and_its_servers_say_why(tmp_path: Path) -> None:
    with silent_port() as port:
        silent = f"hv2 ansible_host=127.0.0.1 ansible_port={port} ansible_timeout=100\n"
        service = build(tmp_path, **project(tmp_path, f"hv1 {LOCAL}{silent}"))
        cloud = make(service, hosts=2, networked=False)
        place = Place(cloud, tmp_path / "machine")
        silent_server, _ = sorted(place.create(), key=lambda one: host_of(place, one) == "hv1")
        assert statuses(place) == {"hv1": "BUILD", "hv2": "BUILD"}
        with at_work(place, time_limit_s=110):
            until("the silent host is asked", lambda: place.jobs("hv2"), 30)
            until("the other has its server", lambda: statuses(place)["hv1"] == "ACTIVE", 30)
            assert [job.state for job in place.jobs("hv2")] == ["running"]
        assert place.processes() == {}, "stopping ends what hangs"
        with at_work(place, time_limit_s=1, ahead_s=60):  # behind the pause after a failure
            until("time ends the run", lambda: place.jobs("hv2")[-1].state == "failed", 30)
        with at_work(place, time_limit_s=1, ahead_s=service.config.build_time_limit_s + 60):
            until("the server is given up", lambda: statuses(place)["hv2"] == "ERROR", 30)
        fault = cloud.show(silent_server)["fault"]["message"]
        assert "was not built on host hv2" in fault
        assert "ended after 1 s" in fault
        assert statuses(place)["hv1"] == "ACTIVE"
        service.store.close()


def host_of(place: Place, server: str) -> str:
    """Where a server was placed."""
    path = f"/compute/v2.1/servers/{server}"
    return str(place.cloud.operator.get(path).json()["server"]["OS-EXT-SRV-ATTR:host"])
