# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an Open vSwitch should have, what it has, and the steps between: pure.

The module ``open_vswitch`` does the looking and the acting. Bridges, ports and settings that are
not named stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# The three tables that ``LOOK`` asks for, in the order in which ovs-vsctl answers.
LOOK = (
    ["--columns=name,datapath_type,fail_mode,ports,other_config", "list", "Bridge"],
    ["--columns=_uuid,name", "list", "Port"],
    ["--columns=name,error", "list", "Interface"],
    ["--columns=external_ids", "list", "Open_vSwitch"],
)


class SwitchError(Exception):
    """The switch cannot become what is wanted: what, on what, what to do next."""


@dataclass(frozen=True)
class Bridge:
    """A bridge, as wanted or found.

    ``ports`` are without the bridge's own local port; ``hwaddr`` is the fixed MAC address of that
    local port, None where it does not matter (the switch then chooses one).
    """

    name: str
    datapath_type: str = "system"
    fail_mode: str = "standalone"
    ports: frozenset[str] = frozenset()
    hwaddr: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The settings that are asked for: columns and values as ovs-vsctl takes them."""
        asked = {"datapath_type": self.datapath_type, "fail_mode": self.fail_mode}
        if self.hwaddr is not None:
            asked["other_config:hwaddr"] = json.dumps(self.hwaddr)
        return asked


@dataclass(frozen=True)
class Switch:
    """A switch as found."""

    bridges: Mapping[str, Bridge] = field(default_factory=dict)
    external_ids: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def bridge_of(self, port: str) -> str | None:
        """Name the bridge that holds a port, None when no bridge does."""
        return next((b.name for b in self.bridges.values() if port in b.ports), None)


@dataclass(frozen=True)
class Step:
    """One step: what it does in words, and the arguments of ovs-vsctl that do it."""

    sentence: str
    arguments: tuple[str, ...]


def read_switch(text: str) -> Switch:
    """Read what ovs-vsctl printed for ``LOOK`` (one JSON table a line)."""
    bridges, ports, interfaces, settings = (_rows(line) for line in text.splitlines() if line)
    names = {row["_uuid"]: row["name"] for row in ports}
    found = {}
    for row in bridges:
        own = frozenset(names[uuid] for uuid in _set(row["ports"]) if uuid in names)
        found[row["name"]] = Bridge(
            name=row["name"],
            datapath_type=row["datapath_type"] or "system",
            fail_mode=next(iter(_set(row["fail_mode"])), "standalone"),
            ports=own - {row["name"]},
            hwaddr=row["other_config"].get("hwaddr"),
        )
    return Switch(
        bridges=found,
        external_ids=dict(settings[0]["external_ids"]) if settings else {},
        errors={row["name"]: row["error"] for row in interfaces if row["error"]},
    )


def _rows(line: str) -> list[dict[str, Any]]:
    table = json.loads(line)
    return [
        dict(zip(table["headings"], [_value(cell) for cell in row], strict=True))
        for row in table["data"]
    ]


def _value(cell: Any) -> Any:
    """A cell of OVSDB's JSON notation (RFC 7047, 5.1) as plain Python; an empty set is ``()``."""
    if not isinstance(cell, list):
        return cell
    kind, content = cell
    if kind == "map":
        return dict(content)
    if kind == "set":
        return tuple(_value(item) for item in content)
    return content


def _set(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def steps(bridges: Sequence[Bridge], external_ids: Mapping[str, str], have: Switch) -> list[Step]:
    """Decide what is to do so that the switch has what is named; nothing is ever taken away.

    Raises:
        SwitchError: A wanted port is in another bridge.
    """
    todo: list[Step] = []
    for want in bridges:
        found = have.bridges.get(want.name)
        todo += _bridge_steps(want, found)
        for port in sorted(want.ports - (found.ports if found else frozenset())):
            elsewhere = have.bridge_of(port)
            if elsewhere is not None:
                raise SwitchError(
                    f"port {port} is wanted in bridge {want.name} but is in {elsewhere}; "
                    f"remove it there first: ovs-vsctl del-port {elsewhere} {port}"
                )
            todo.append(
                Step(f"add port {port} to bridge {want.name}", ("add-port", want.name, port))
            )
    for key, value in sorted(external_ids.items()):
        if have.external_ids.get(key) != value:
            todo.append(
                Step(
                    f"set external id {key} to {value}",
                    ("set", "Open_vSwitch", ".", f"external_ids:{key}={json.dumps(value)}"),
                )
            )
    return todo


def _bridge_steps(want: Bridge, found: Bridge | None) -> list[Step]:
    if found is None:
        told = tuple(f"{key}={value}" for key, value in want.settings.items())
        return [
            Step(
                f"add bridge {want.name} with {', '.join(told)}",
                ("add-br", want.name, "--", "set", "Bridge", want.name, *told),
            )
        ]
    return [
        Step(
            f"set {key} of bridge {want.name} to {value}",
            ("set", "Bridge", want.name, f"{key}={value}"),
        )
        for key, value in want.settings.items()
        if found.settings.get(key) != value
    ]


def failed_ports(bridges: Sequence[Bridge], have: Switch) -> dict[str, str]:
    """The wanted bridges and ports that the switch holds but cannot open, with its reason."""
    named = {name for bridge in bridges for name in (bridge.name, *bridge.ports)}
    return {name: why for name, why in sorted(have.errors.items()) if name in named}
