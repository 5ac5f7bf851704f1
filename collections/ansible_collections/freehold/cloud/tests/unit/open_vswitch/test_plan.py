"""The switch's planner: cases from files, each planned twice, and laws for any switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.freehold.cloud.plugins.module_utils.open_vswitch import (
    Bridge,
    Switch,
    SwitchError,
    steps,
)
from ansible_collections.freehold.cloud.tests.unit.open_vswitch.model import after, bridge
from hypothesis import given, settings
from hypothesis import strategies as st

CASES = [
    pytest.param(case, id=case["case"])
    for file in sorted((Path(__file__).parent / "cases").glob("*.yml"))
    for case in yaml.safe_load(file.read_text())
]
BRIDGES = ["br-ex", "br-int", "br-tnl"]
PORTS = ["ext0", "ext1", "tun0"]


def bridges_of(told: dict[str, Any]) -> list[Bridge]:
    return [bridge(name, fields) for name, fields in told.get("bridges", {}).items()]


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    told, want = case.get("have", {}), case["want"]
    have = Switch({one.name: one for one in bridges_of(told)}, told.get("settings", {}))
    bridges, external_ids = bridges_of(want), want.get("settings", {})
    if "refused" in case:
        with pytest.raises(SwitchError, match=case["refused"]):
            steps(bridges, external_ids, have)
        return
    todo = steps(bridges, external_ids, have)
    assert [step.sentence for step in todo] == case["steps"]
    assert steps(bridges, external_ids, after(todo, have)) == []


@st.composite
def some_bridges(draw: st.DrawFn) -> list[Bridge]:
    """Bridges with different names, and each port in one of them at most."""
    homes = {port: draw(st.sampled_from([None, *BRIDGES])) for port in PORTS}
    return [
        Bridge(
            name,
            draw(st.sampled_from(["system", "netdev"])),
            draw(st.sampled_from(["standalone", "secure"])),
            frozenset(port for port, home in homes.items() if home == name),
            draw(st.sampled_from([None, "02:00:00:00:00:01", "02:00:00:00:00:02"])),
        )
        for name in draw(st.lists(st.sampled_from(BRIDGES), unique=True))
    ]


external = st.dictionaries(st.sampled_from(["system-id", "ovn-remote", "owner"]), st.text())


@settings(max_examples=300, deadline=None)
@given(found=some_bridges(), known=external, bridges=some_bridges(), external_ids=external)
def test_a_plan_that_is_done_leaves_nothing_and_touches_nothing_that_is_not_named(
    found: list[Bridge],
    known: dict[str, str],
    bridges: list[Bridge],
    external_ids: dict[str, str],
) -> None:
    have = Switch({one.name: one for one in found}, known)
    try:
        todo = steps(bridges, external_ids, have)
    except SwitchError:
        assert any(have.bridge_of(p) not in (None, b.name) for b in bridges for p in b.ports)
        return
    done = after(todo, have)
    assert steps(bridges, external_ids, done) == []
    assert done.external_ids == {**known, **external_ids}
    named = {one.name for one in bridges}
    for one in found:
        assert done.bridges[one.name].ports >= one.ports
        assert one.hwaddr is None or done.bridges[one.name].hwaddr is not None
        if one.name not in named:
            assert done.bridges[one.name] == one
