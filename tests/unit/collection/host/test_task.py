"""The task as Ansible runs it: documents are data, and secrets stay out of what is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils import lifecycle
from ansible_collections.freehold.cloud.plugins.module_utils.host.sections import SECTIONS

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


class Module:
    """AnsibleModule's port: what a module is given, and what it says last."""

    check_mode = _diff = False

    def __init__(self, document: Any) -> None:
        self.params = {"document": json.dumps(document)}
        self.said: dict[str, Any] = {}

    def fail_json(self, **said: Any) -> None:
        self.said = said

    exit_json = fail_json


@pytest.mark.parametrize(
    ("error", "words"),
    [(ValueError("planted-secret"), ""), (OSError(28, "No space left on device"), "No space")],
)
def test_an_unforeseen_error_is_told_with_its_place_and_without_values(
    error: Exception, words: str
) -> None:
    def open_target(_document: Any) -> Any:
        raise error

    module = Module(raw_document())
    lifecycle.converge(module, "host", SECTIONS, open_target)
    assert f"{type(error).__name__} in open_target" in module.said["msg"]
    assert words in module.said["msg"]
    assert "planted-secret" not in json.dumps(module.said)


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
