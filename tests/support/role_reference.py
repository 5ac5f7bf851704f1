"""Writes docs/reference/roles.md from the roles' own contracts (meta/argument_specs.yml).

Run ``python -m tests.support.role_reference`` after a change of a contract.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs/reference/roles.md"
LAYERS = (
    "preflight",
    "base",
    "ovn_central",
    "openvswitch",
    "ovn_host",
    "hypervisor",
    "postgresql",
    "control_plane",
)
TOOLS = ("image_tiny", "image_debian", "image_import", "lab_machine")
HEAD = """# Roles and their variables

Made from `roles/*/meta/argument_specs.yml` by `python -m tests.support.role_reference`. The
roles are in the order of `playbooks/site.yml`. A machine gets a role by being in the inventory's
group of the same name (`preflight`, `base`: all machines; `openvswitch`: those of
`ovn_host`; `postgresql`: those of `control_plane` where `control_plane_database` is `postgresql`).
The last four are no part of a deployment: playbooks run them on the computer where Ansible runs.
"""


def page() -> str:
    """The whole page as it should be."""
    return HEAD + "".join(_role(role) for role in LAYERS + TOOLS)


def _role(role: str) -> str:
    specs = yaml.safe_load((CHECKOUT / f"roles/{role}/meta/argument_specs.yml").read_text())
    main = specs["argument_specs"]["main"]
    lines = [f"\n## {role}\n", f"{main['short_description']}.\n"]
    lines += [f"- {_plain(text)}" for text in main.get("description", [])]
    if main["options"]:
        lines += ["", "| variable | default | what it is |", "|---|---|---|"]
        lines += [_option(name, option) for name, option in main["options"].items()]
    return "\n".join(lines) + "\n"


def _option(name: str, option: dict[str, Any]) -> str:
    text = option["description"]
    told = " ".join(text) if isinstance(text, list) else text
    if choices := option.get("choices"):
        told += f" One of {', '.join(choices)}."
    return f"| `{name}` | {_default(option)} | {_plain(told)} |"


def _default(option: dict[str, Any]) -> str:
    if option.get("required"):
        return "must be set"
    if "default" not in option:
        return "as in the role's defaults"
    default = option["default"]
    return f"`{default if isinstance(default, str) and default else json.dumps(default)}`"


def _plain(text: str) -> str:
    return re.sub(r"[CV]\(([^)]*)\)", r"`\1`", text)


if __name__ == "__main__":
    PAGE.write_text(page())
