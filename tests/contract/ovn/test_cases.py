"""Each entry of a case file: what stands and is wanted → steps; after them nothing is left.

``have`` stands first (``cloud`` unless the case says otherwise); ``want`` names builders of
``tests.support.network_documents`` with the fields that differ. ``steps`` are all
sentences, by type.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.ovn.servers import Northbound
from tests.support import network_documents as build

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['case']}")
    for file in sorted((Path(__file__).parent / "cases").glob("*.yml"))
    for case in yaml.safe_load(file.read_text())
]
SECTION = {
    "network": "networks",
    "external_network": "networks",
    "subnet": "subnets",
    "security_group": "security_groups",
    "port": "ports",
    "router": "routers",
    "floating_ip": "floating_ips",
}
FIELD_BUILDERS = {"interface", "gateway", "rule"}


def resolved(value: Any) -> Any:
    """``$NAME`` is a constant of the builders, ``{rule: [4, {…}]}`` a part that a builder makes."""
    if isinstance(value, str) and value.startswith("$"):
        return getattr(build, value[1:])
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if isinstance(value, dict):
        if len(value) == 1 and (name := next(iter(value))) in FIELD_BUILDERS:
            if isinstance(value[name], list):
                number, fields = value[name]
                return build.rule(number, **resolved(fields))
            return getattr(build, name)(**resolved(value[name]))
        return {key: resolved(item) for key, item in value.items()}
    return value


def wanted(description: list[dict[str, Any]]) -> dict[str, Any]:
    sections: dict[str, list[dict[str, Any]]] = {}
    for item in description:
        ((name, fields),) = item.items()
        if name == "removed":
            type_, id_ = fields
            sections.setdefault(SECTION[type_], []).append(build.removed(resolved(id_)))
        else:
            one = getattr(build, name)(**{k: resolved(v) for k, v in (fields or {}).items()})
            sections.setdefault(SECTION[name], []).append(one)
    return build.document(**sections)


def short(sentence: str) -> str:
    """A sentence with the ids of the builders shortened, for readable case files."""
    return re.sub("0*([0-9a-f]+)00[-_]0000[-_]4000[-_]8000[-_]0{12}", r"#\1", sentence)


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any], northbound: Northbound) -> None:
    have = case.get("have", "cloud")
    northbound.converge(build.cloud() if have == "cloud" else wanted(have))
    document = wanted(case["want"])

    result = northbound.converge(document)
    steps = [
        f"{one['type']}: {short(step)}" for one in result["resources"] for step in one["steps"]
    ]
    assert steps == case["steps"]
    failed = [one["error"] for one in result["resources"] if one["error"]]
    assert not failed

    again = northbound.converge(document)
    assert again["changed"] is False
