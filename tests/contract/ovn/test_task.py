"""The task as Ansible runs it: documents are data, and results are private files."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.contract.ovn.servers import Northbound, entry
from tests.support.network_documents import PRIVATE, cloud

CHECKOUT = Path(__file__).resolve().parents[3]
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - freehold.cloud.network:
        src: {folder}/document.json
        result: {folder}/result.json
        remote: {remote}
"""


def play(
    folder: Path, remote: str, document: Any, *options: str
) -> subprocess.CompletedProcess[str]:
    (folder / "play.yml").write_text(PLAY.format(folder=folder, remote=remote))
    (folder / "document.json").write_text(json.dumps(document))
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    return subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", folder / "play.yml", *options],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_name_is_neither_a_template_nor_printed(northbound: Northbound, tmp_path: Path) -> None:
    payload = "{{ lookup('pipe', 'touch " + str(tmp_path) + "/ran') }}"
    document = cloud()
    document["networks"][0]["name"] = payload

    done = play(tmp_path, northbound.remote, document, "-vvvv")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "changed=1" in done.stdout
    assert "touch" not in done.stdout + done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert entry(result, PRIVATE)["outcome"] == "changed"
    assert (tmp_path / "result.json").stat().st_mode & 0o777 == 0o600
    names = [dict(row["external_ids"][1]) for row in northbound.rows("Logical_Switch")]
    assert payload in [one["freehold-name"] for one in names]

    done = play(tmp_path, northbound.remote, document, "--check", "--diff")
    assert "changed=0" in done.stdout
    assert not (tmp_path / "ran").exists()


def test_a_database_that_does_not_answer_fails_the_task(tmp_path: Path) -> None:
    done = play(tmp_path, f"unix:{tmp_path}/nobody.sock", cloud())
    assert done.returncode != 0
    assert "network/ovn: The OVSDB server at" in " ".join(done.stdout.split())
    assert not (tmp_path / "result.json").exists()


def test_a_module_that_is_killed_fails_the_task_which_says_so(tmp_path: Path) -> None:
    # A socket's path is short, pytest's are not.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{folder}/silent.sock")
        silent.listen()
        silent.settimeout(30)
        with ThreadPoolExecutor(1) as pool:
            playing = pool.submit(play, tmp_path, f"unix:{folder}/silent.sock", cloud())
            module, _ = silent.accept()
            with module:
                told = module.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                os.kill(struct.unpack("3i", told)[0], signal.SIGKILL)
            done = playing.result()
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "network was killed on localhost (SIGKILL) before it told what it did" in said
    assert not (tmp_path / "result.json").exists()
