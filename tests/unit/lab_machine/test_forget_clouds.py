"""Taking a lab down forgets its clouds, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
PLAY = """
- hosts: lab_computer
  gather_facts: false
  tasks:
    - ansible.builtin.include_tasks: {checkout}/playbooks/lab/forget_clouds.yml
      vars:
        lab_clouds_yaml: {file}
"""


def forget(folder: Path, **environment: str) -> str:
    """Run the tasks as `make cloud-down` does, on the folder's clouds.yaml; what was printed."""
    play = folder / "play.yml"
    play.write_text(PLAY.format(checkout=CHECKOUT, file=folder / "clouds.yaml"))
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FREEHOLD_LAB_")}
    program = str(Path(sys.executable).parent / "ansible-playbook")
    done = subprocess.run(
        [program, "-v", "--diff", "-i", "inventories/lab", str(play)],
        cwd=CHECKOUT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def cloud(address: str) -> dict[str, Any]:
    return {"auth": {"auth_url": f"http://{address}:5000/identity/v3", "password": "planted"}}


def test_clouds_of_another_lab_stay(tmp_path: Path) -> None:
    file = tmp_path / "clouds.yaml"
    other = {"demo": cloud("10.77.0.10"), "far": cloud("10.78.0.100"), "plain": {}}
    file.write_text(yaml.safe_dump({"clouds": {**other, "mine": cloud("10.78.0.10")}}))
    second = {"FREEHOLD_LAB_PREFIX": "t2", "FREEHOLD_LAB_NETWORK": "10.78.0.0/24"}
    assert "planted" not in forget(tmp_path, **second)
    assert yaml.safe_load(file.read_text()) == {"clouds": other}
    before = file.stat()
    forget(tmp_path, **second)
    assert file.stat() == before, "a lab that has no cloud there touches nothing"


def test_a_file_with_no_other_clouds_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_text(yaml.safe_dump({"clouds": {"demo": cloud("10.77.0.10")}}))
    forget(tmp_path)
    assert not file.exists()
    forget(tmp_path)
