"""The task as Ansible runs it: documents are data, and secrets stay out of what is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.collection.conftest import CHECKOUT
from tests.unit.collection.host.documents import image, raw_document, server

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - freehold.cloud.host:
        src: {folder}/document.json
        result: {folder}/result.json
"""


def play(folder: Path, document: Any) -> subprocess.CompletedProcess[str]:
    (folder / "play.yml").write_text(PLAY.format(folder=folder))
    (folder / "document.json").write_text(json.dumps(document))
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        # This interpreter has no libvirt, so the module ends where the machine would be touched.
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    playbook = Path(sys.executable).parent / "ansible-playbook"
    return subprocess.run(
        [playbook, "-vvvv", "--check", folder / "play.yml"],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_refused_document_is_told_with_its_place(tmp_path: Path) -> None:
    done = play(tmp_path, raw_document(servers=[server(power="sideways")]))
    assert done.returncode != 0
    assert "document.servers[0].power must be" in done.stdout
    assert not (tmp_path / "result.json").exists()


def test_a_document_is_neither_a_template_nor_printed(tmp_path: Path) -> None:
    payload = "{{ lookup('pipe', 'touch " + str(tmp_path) + "/ran') }}"
    document = raw_document(
        images=[image(token="planted-secret-1")],
        servers=[
            server(
                name=payload,
                config_drive={
                    "meta_data": {"admin_pass": "planted-secret-2", "name": payload},
                    "network_data": {},
                    "user_data": None,
                },
            )
        ],
    )
    done = play(tmp_path, document)
    if "LIBVIRT" not in done.stdout:
        pytest.fail(f"the module was expected to look for libvirt:\n{done.stdout[-3000:]}")
    assert "planted-secret" not in done.stdout + done.stderr
    assert not (tmp_path / "ran").exists()
