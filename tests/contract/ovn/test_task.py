"""The task as Ansible runs it: documents are data, and results are private files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
