"""A switch in memory: what the arguments of ovs-vsctl in a step mean, and nothing more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.open_vswitch import (
    Bridge,
    Step,
    Switch,
)


def bridge(name: str, fields: dict[str, Any]) -> Bridge:
    """A bridge as cases tell it."""
    return Bridge(name, **{**fields, "ports": frozenset(fields.get("ports", ()))})


def after(steps: Iterable[Step], switch: Switch) -> Switch:
    """The switch when all steps are done."""
    for step in steps:
        switch = _after(list(step.arguments), switch)
    return switch


def _after(words: list[str], switch: Switch) -> Switch:
    match words:
        case ["add-br", name, "--", *rest]:
            assert name not in switch.bridges, f"ovs-vsctl: there is a bridge {name} already"
            return _after(rest, replace(switch, bridges={**switch.bridges, name: Bridge(name)}))
        case ["add-port", name, port]:
            assert switch.bridge_of(port) is None, f"ovs-vsctl: port {port} is in a bridge already"
            own = switch.bridges[name]
            own = replace(own, ports=own.ports | {port})
            return replace(switch, bridges={**switch.bridges, name: own})
        case ["set", "Bridge", name, *settings]:
            fields = dict(one.split("=", 1) for one in settings)
            if "other_config:hwaddr" in fields:
                fields["hwaddr"] = json.loads(fields.pop("other_config:hwaddr"))
            own = replace(switch.bridges[name], **fields)
            return replace(switch, bridges={**switch.bridges, name: own})
        case ["set", "Open_vSwitch", ".", setting]:
            key, value = setting.removeprefix("external_ids:").split("=", 1)
            known = {**switch.external_ids, key: json.loads(value)}
            return replace(switch, external_ids=known)
    raise AssertionError(f"no words of a step: {words}")
