"""A role's contract, its defaults and the reference page say the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.role_reference import CHECKOUT, LAYERS, PAGE, TOOLS, page

HYPERVISOR_FILES = CHECKOUT / "roles/hypervisor/files"


def test_the_reference_page_is_what_the_contracts_say() -> None:
    assert page() == PAGE.read_text(), "run python -m tests.support.role_reference"


@pytest.mark.parametrize("role", LAYERS + TOOLS)
def test_defaults_of_contract_and_role_are_the_same(role: str) -> None:
    specs = yaml.safe_load((CHECKOUT / f"roles/{role}/meta/argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((CHECKOUT / f"roles/{role}/defaults/main.yml").read_text())
    told = {name: option["default"] for name, option in options.items() if "default" in option}
    assert told == {name: value for name, value in defaults.items() if name in told}
    # Lists of packages and units are told by the lab's defaults only.
    assert set(defaults) == (set(options) & set(defaults) if role == "lab_machine" else set(told))


def test_the_boot_sector_of_the_kvm_probe_is_made_from_its_source(tmp_path: Path) -> None:
    source, made = HYPERVISOR_FILES / "kvm-probe.S", tmp_path / "kvm-probe.bin"
    subprocess.run(["as", "--64", "-o", tmp_path / "probe.o", source], check=True)
    subprocess.run(
        [
            *["ld", "-m", "elf_x86_64", "-Ttext", "0x7c00", "--oformat", "binary", "-o"],
            made,
            tmp_path / "probe.o",
        ],
        check=True,
    )
    assert made.read_bytes() == (HYPERVISOR_FILES / "kvm-probe.bin").read_bytes()


def test_a_machine_that_computes_passes_the_kvm_probes_boot_sector() -> None:
    """Under TCG, where every instruction works, the sector ends as it does on working KVM."""
    boot = subprocess.run(
        [
            *[
                "qemu-system-x86_64",
                "-accel",
                "tcg",
                "-machine",
                "pc",
                "-m",
                "16",
                "-display",
                "none",
                "-nodefaults",
            ],
            *["-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-drive"],
            f"file={HYPERVISOR_FILES / 'kvm-probe.bin'},format=raw,if=ide,snapshot=on",
        ],
        check=False,
        timeout=60,
    )
    assert boot.returncode == 33


def test_every_role_has_a_scenario_that_make_molecule_runs() -> None:
    roles = {folder.name for folder in (CHECKOUT / "roles").iterdir() if folder.is_dir()}
    scenarios = {file.parent.name for file in (CHECKOUT / "tests/molecule").glob("*/molecule.yml")}
    (line,) = re.findall(r"(?m)^ROLES := (.*)$", (CHECKOUT / "Makefile").read_text())
    assert roles == scenarios - {"default"} == set(line.split())
