"""Invariant 4: whatever is killed, at whatever step, all ends as wanted and is done once."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

from tests.contract.jobs.conftest import Place
from tests.contract.jobs.life import STEPS
from tests.support.lab import until


def assert_all_ended_well(place: Place, servers: list[str]) -> None:
    """Nothing is in a passing status, was done twice, or is left behind."""
    until("the target is settled", place.settled, 30)
    assert place.statuses() == {"ACTIVE"}
    assert sorted(place.made()) == sorted(servers)
    until("the run's folder is gone", lambda: not place.run_folders(), 10)
    assert place.processes() == {}


def states(place: Place) -> list[str]:
    """How the jobs ended: only one that was not lost has written back."""
    return [job.state for job in place.jobs()]


def test_a_worker_killed_at_each_step_in_turn_is_followed_by_one_that_finishes(
    place: Place,
) -> None:
    servers = place.create()
    for step in STEPS:
        life = place.live(step)
        life.reach(step)
        assert place.statuses() == {"BUILD"}, step
        life.kill()
    place.live()
    assert_all_ended_well(place, servers)
    # A lease without a job is nobody's story.
    assert states(place) == ["lost"] * (len(STEPS) - 1) + ["successful"]


def test_a_worker_killed_while_the_module_works_leaves_no_second_one_at_work(place: Place) -> None:
    servers = place.create()
    place.hold.touch()
    life = place.live()
    orphan = place.held()
    life.kill()
    assert orphan in place.processes(), "nobody ended it yet"
    place.live()
    until("the orphan is ended", lambda: orphan not in place.processes(), 30)
    place.hold.unlink()
    assert_all_ended_well(place, servers)
    assert states(place) == ["lost", "successful"]


def test_a_worker_that_was_only_away_writes_nothing_when_it_is_back(place: Place) -> None:
    servers = place.create()
    away = place.live("result read", name="away")
    away.reach("result read")
    place.live(name="other", ahead_s=100)
    until("another has finished", place.settled, 30)
    first, second = place.jobs()
    away.go_on()
    assert [(job.id, job.state, job.finished_at) for job in place.jobs()] == [
        (first.id, "lost", first.finished_at),
        (second.id, "successful", second.finished_at),
    ]
    assert_all_ended_well(place, servers)
    assert states(place) == ["lost", "successful"]


def test_a_playbook_killed_in_the_middle_is_run_again(place: Place) -> None:
    servers = place.create()
    place.hold.touch()
    place.live()
    orphan = place.held()
    for process, command in place.processes().items():
        if "ansible-playbook" in command:
            os.kill(process, signal.SIGKILL)
    until("what it had started is ended", lambda: orphan not in place.processes(), 30)
    place.hold.unlink()
    assert_all_ended_well(place, servers)
    assert states(place) == ["failed", "successful"]


def test_the_fork_server_may_be_killed_under_its_runs(place: Place) -> None:
    with tempfile.TemporaryDirectory() as folder:  # a socket's path is short, pytest's are not
        place.live(socket_folder=Path(folder))
        until("the server listens", (Path(folder) / "ansible.sock").exists, 30)
        place.hold.touch()
        servers = place.create()
        place.held()
        (server,) = (
            int(process.name)
            for process in Path("/proc").glob("[0-9]*")
            if f"server.py\0{folder}".encode() in _command(process)
            and b"FREEHOLD_RUN=....." in _environment(process)
        )
        os.kill(server, signal.SIGKILL)
        place.hold.unlink()
        assert_all_ended_well(place, servers)
        assert_all_ended_well(place, place.create(1))
        assert set(states(place)) == {"successful"}


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""
