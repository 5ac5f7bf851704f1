"""The operator's side: a deployment that is settled, jobs that can be read and run again."""

from __future__ import annotations

import base64
import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import find_secrets
from tests.support.lab import Lab, run, until


def recap(text: str) -> dict[str, int]:
    """Host → changed, from the end of an ansible-playbook run."""
    return {
        host: int(changed)
        for host, changed in re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", text, re.M)
    }


def test_a_second_deployment_changes_nothing(cloud: Lab) -> None:
    done = run(
        ".venv/bin/ansible-playbook", "-i", "inventories/lab", "playbooks/site.yml", timeout=600
    )
    changed = recap(done.stdout)
    assert set(cloud.addresses) <= set(changed)
    assert set(changed.values()) == {0}, done.stdout[-5000:]


def newest(cloud: Lab, target: str) -> str:
    """Id of a target's newest job that carried a change."""
    lines = cloud.freehold(f"job list --limit 50 --target {target}").splitlines()
    return next(line for line in lines if "successful" in line and "changed" in line).split()[0]


def test_jobs_tell_what_ran_where_and_what_it_changed(cloud: Lab) -> None:
    shown = cloud.freehold(f"job show {newest(cloud, 'host/hv1')}")
    assert "converge/host.yml" in shown
    assert re.search(r"^ {4}- \S+", shown, re.M), shown


def test_a_finished_job_can_be_followed_to_its_end(cloud: Lab) -> None:
    told = cloud.freehold(f"job follow {newest(cloud, 'network/ovn')}")
    assert "job is successful" in told
    assert "playbook_on_task_start" in told


def test_a_replayed_job_only_looks_unless_told_to_apply(cloud: Lab) -> None:
    told = cloud.freehold(f"job replay {newest(cloud, 'host/hv1')}", check=False)
    assert "--check --diff" in told
    assert re.search(r"failed=0", told), told


def test_a_saved_document_runs_by_hand(cloud: Lab) -> None:
    folder = "/tmp/freehold-replay"
    told = cloud.freehold(f"job replay {newest(cloud, 'host/hv1')} --save {folder}")
    command = next(line for line in told.splitlines() if "ansible-playbook" in line)
    try:
        out = cloud.shell("control", f"cd /opt/freehold/src && sudo -u freehold env {command}")
        assert "failed=0" in out
        result = json.loads(cloud.shell("control", f"cat {folder}/result.json"))
        assert result["check"] is True
        assert result["target"] == {"kind": "host", "name": "hv1"}
    finally:
        cloud.shell("control", f"rm -rf {folder}")


KILL_IN_THE_MIDDLE = """
import sqlite3, subprocess, time
database = sqlite3.connect("file:/var/lib/freehold/freehold.sqlite?mode=ro", uri=True)
begun = (
    "select 1 from targets join servers on servers.host = targets.name"
    " where targets.kind = 'host' and lease is not null and servers.name = 'survivor'"
)
given_up = time.monotonic() + 120
while not database.execute(begun).fetchone():
    assert time.monotonic() < given_up, "no job began"
    time.sleep(0.01)
subprocess.run("systemctl kill --kill-who=main --signal=KILL freehold".split(), check=True)
"""


def test_a_service_that_is_killed_in_the_middle_finishes_what_was_asked(cloud: Lab) -> None:
    process = "systemctl show --property=MainPID freehold"
    before = cloud.shell("control", process)
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(cloud.shell, "control", f"python3 - <<'PY'{KILL_IN_THE_MIDDLE}PY")
        # The client looks once more at what it made: by then the service may be gone.
        run(
            *(".venv/bin/openstack", "server", "create", "survivor", "--image", "tiny"),
            *("--flavor", "tiny", "--network", "private"),
            env={"OS_CLOUD": "demo"},
            check=False,
        )
        killed.result()

    def active() -> bool:
        shown = run(
            *(".venv/bin/openstack", "server", "show", "survivor", "-f", "value", "-c", "status"),
            env={"OS_CLOUD": "demo"},
            check=False,
        )
        assert shown.stdout.strip() != "ERROR"
        return shown.stdout.strip() == "ACTIVE"

    until("the server is ACTIVE", active, 90)
    assert cloud.shell("control", process) != before
    cloud.openstack("server", "delete", "--wait", "survivor")


KILL_THE_MODULE = """
import glob, os, pathlib, signal, time
servers, lock = "/var/lib/freehold/servers", "/run/freehold-host.lock"
before = os.listdir(servers)
pathlib.Path("/run/kill-the-module").touch()
given_up = time.monotonic() + 60
while os.listdir(servers) == before:
    assert time.monotonic() < given_up, "no server came"
    time.sleep(0.001)
for opened in glob.glob("/proc/[0-9]*/fd/*"):
    if os.path.realpath(opened) == lock:
        os.kill(int(opened.split("/")[2]), signal.SIGKILL)
"""


def test_a_module_that_is_killed_on_its_host_says_so_and_the_next_run_goes_on(cloud: Lab) -> None:
    began = "until [ -e /run/kill-the-module ]; do sleep 0.1; done; rm /run/kill-the-module"
    host = cloud.hypervisors[0]
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(cloud.shell, host, f"python3 - <<'PY'{KILL_THE_MODULE}PY")
        cloud.shell(host, f"timeout 30 sh -c '{began}'")
        words = ("server", "create", "killed-module", "--image", "tiny", "--flavor", "tiny")
        there = ("--nic", "none", "--availability-zone", f"nova:{host}")
        cloud.openstack(*words, *there, cloud="freehold-admin")
        killed.result()

    def status() -> str:
        words = ("server", "show", "killed-module", "-f", "value", "-c", "status")
        return cloud.openstack(*words, cloud="freehold-admin").strip()

    until("the next run has made it", lambda: status() == "ACTIVE", 90)
    said = f"host was killed on {host} (SIGKILL) before it told what it did"
    assert said in cloud.freehold(f"job list --limit 20 --target host/{host}")
    half = "find /var/lib/freehold -name '*.part' -o -name '.drive-*'"
    assert cloud.shell(host, half) == ""
    cloud.openstack("server", "delete", "--wait", "killed-module", cloud="freehold-admin")


def find(cloud: Lab, machine: str, how: str, wanted: list[str]) -> dict[str, str]:
    """Where a machine shows secrets; see tests/support/find_secrets.py."""
    source = Path(find_secrets.__file__).read_text()
    words = f"python3 - {how} {find_secrets.disguised(wanted)} <<'PY'\n{source}\nPY"
    found: dict[str, str] = json.loads(cloud.shell(machine, words, timeout=180))
    return found


def planted_server(cloud: Lab, secret: str, folder: Path) -> dict[str, dict[str, str]]:
    """Make a server with secret user data; gives what the machines showed meanwhile."""
    script = folder / "user-data"
    script.write_text(f"#!/bin/sh\n# {secret}\n")
    with ThreadPoolExecutor() as pool:
        watches = {
            machine: pool.submit(find, cloud, machine, "watch", [secret, script.read_text()])
            for machine in cloud.addresses
        }
        for machine in cloud.addresses:
            begun = f"until [ -e {find_secrets.STARTED} ]; do sleep 0.1; done"
            cloud.shell(machine, f"timeout 60 sh -c '{begun}'")
        cloud.openstack(
            *("server", "create", "planted", "--image", "tiny", "--flavor", "tiny"),
            *("--network", "private", "--user-data", str(script), "--wait"),
        )
        for machine in cloud.addresses:
            cloud.shell(machine, f"touch {find_secrets.STOP}")
        return {machine: watched.result() for machine, watched in watches.items()}


def test_run_folders_and_logs_hold_no_secret(cloud: Lab, tmp_path: Path) -> None:
    secret = f"planted-{secrets.token_hex(12)}"
    shown = planted_server(cloud, secret, tmp_path)
    # The document is how it travels: a file for the service's user alone.
    assert shown.pop("control") == {"run folder: document.json": "600 in 700"}
    assert shown == {name: {} for name in cloud.hypervisors}

    until("all runs are over", lambda: not cloud.shell("control", "ls /run/freehold/jobs"), 60)
    password = cloud.shell("control", "cat /etc/freehold/admin-password").strip()
    wanted = [password, secret, (tmp_path / "user-data").read_text()]
    kept = find(cloud, "control", "files", wanted)
    assert {re.sub("-wal$", "", place) for place in kept} == {
        "/etc/freehold/admin-password",
        "/etc/freehold/clouds.yaml",
        "/var/lib/freehold/freehold.sqlite",
    }
    assert {mode.split()[0] for mode in kept.values()} == {"600"}
    (drive,) = (
        (Path(place).name, mode.split()[0])
        for name in cloud.hypervisors
        for place, mode in find(cloud, name, "files", wanted).items()
    )
    assert drive == ("config.iso", "600"), "of QEMU alone"

    folder = "/tmp/freehold-replay"
    job = newest(cloud, f"host/{host_of(cloud, 'planted')}")
    cloud.freehold(f"job replay {job} --save {folder}")
    try:
        modes = cloud.shell("control", f"stat --format %a {folder} {folder}/document.json").split()
        assert modes == ["700", "600"]
        assert base64.b64encode(wanted[2].encode()).decode() in cloud.shell(
            "control", f"cat {folder}/document.json"
        )
    finally:
        cloud.shell("control", f"rm -rf {folder}")
    cloud.openstack("server", "delete", "--wait", "planted")


def host_of(cloud: Lab, server: str) -> str:
    """Where a server was placed."""
    found = cloud.show("server", "show", server, "-c", "id")["id"]
    shown = cloud.show("server", "show", found, cloud="freehold-admin")
    return str(shown["OS-EXT-SRV-ATTR:host"])
