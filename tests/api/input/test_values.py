"""Any value in any field of any create: it arrives literally, or it is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.isolation.stage import Stage
from tests.api.isolation.table import filled

FACE = "\U0001f600"
VALUES: tuple[Any, ...] = (
    "",
    "a" * 255,
    "a" * 256,
    FACE * 255,
    FACE * 256,
    "e\u0301\u202e\u05d0",
    "a\r\nX-Evil: 1",
    "a\0b",
    "\ud800",
    "%2F..",
    0,
    -1,
    2**31,
    2**64,
    10**400,
    1.5,
    True,
    False,
    None,
    [],
    [[]],
    {},
    {"a": 1},
)
CREATES: dict[str, dict[str, Any]] = {
    "/identity/v3/projects": {"project": {"name": "n", "description": "d", "enabled": True}},
    "/identity/v3/users": {"user": {"name": "n", "email": "e", "enabled": True}},
    "/identity/v3/groups": {"group": {"name": "n", "description": "d"}},
    "/identity/v3/roles": {"role": {"name": "n", "description": "d"}},
    "/identity/v3/regions": {"region": {"id": "n", "description": "d"}},
    "/identity/v3/services": {"service": {"type": "t", "name": "n", "enabled": True}},
    "/identity/v3/endpoints": {
        "endpoint": {"service_id": "{services}", "interface": "public", "url": "http://x"}
    },
    "/network/v2.0/networks": {
        "network": {"name": "n", "description": "d", "admin_state_up": True, "mtu": 1400}
    },
    "/network/v2.0/subnets": {
        "subnet": {
            "network_id": "{empty_network}",
            "cidr": "10.3.0.0/24",
            "ip_version": 4,
            "name": "n",
            "gateway_ip": "10.3.0.1",
            "dns_nameservers": ["192.0.2.1"],
            "allocation_pools": [{"start": "10.3.0.5", "end": "10.3.0.9"}],
            "host_routes": [{"destination": "10.9.0.0/24", "nexthop": "10.3.0.3"}],
        }
    },
    "/network/v2.0/ports": {
        "port": {
            "network_id": "{networks}",
            "name": "n",
            "mac_address": "fa:16:3e:00:00:01",
            "fixed_ips": [{"ip_address": "10.0.0.77"}],
            "device_id": "x",
            "allowed_address_pairs": [{"ip_address": "10.0.0.8"}],
        }
    },
    "/network/v2.0/routers": {"router": {"name": "n", "admin_state_up": True}},
    "/network/v2.0/floatingips": {
        "floatingip": {"floating_network_id": "{outside}", "description": "d"}
    },
    "/network/v2.0/security-groups": {"security_group": {"name": "n", "description": "d"}},
    "/network/v2.0/security-group-rules": {
        "security_group_rule": {
            "security_group_id": "{security-groups}",
            "direction": "ingress",
            "ethertype": "IPv4",
            "protocol": "udp",
            "port_range_min": 1,
            "port_range_max": 2,
            "remote_ip_prefix": "10.0.0.0/8",
        }
    },
    "/compute/v2.1/servers": {
        "server": {
            "name": "n",
            "imageRef": "{images}",
            "flavorRef": "{flavors}",
            "networks": "none",
            "metadata": {"a": "b"},
            "max_count": 1,
            "user_data": "aGk=",
            "tags": ["t"],
            "description": "d",
        }
    },
    "/compute/v2.1/flavors": {
        "flavor": {"name": "n", "id": "x", "vcpus": 1, "ram": 1, "disk": 1, "rxtx_factor": 1.0}
    },
    "/compute/v2.1/os-keypairs": {
        "keypair": {"name": "n", "type": "ssh", "public_key": "{public_key}"}
    },
    "/image/v2/images": {"": {"name": "n", "min_disk": 1, "protected": False, "hw_x": "y"}},
}
NOT_SHOWN = frozenset({"max_count", "user_data", "networks", "metadata", "imageRef", "flavorRef"})
"""What an answer to a create does not tell, or tells in another form."""


@pytest.mark.parametrize("path", CREATES)
def test_a_value_arrives_literally_or_is_refused(stage: Stage, path: str) -> None:
    wrong = list(_problems(stage, path))
    stage.restore()
    assert not wrong, "\n".join(wrong)


def _problems(stage: Stage, path: str) -> Iterator[str]:
    ((kind, usual),) = filled(CREATES[path], stage.things).items()
    persona = "admin" if "/identity/" in path or path.endswith("flavors") else "member"
    for name in usual:
        for value in VALUES:
            wish = {**usual, name: value}
            content = json.dumps({kind: wish} if kind else wish)
            headers = {"Content-Type": "application/json"}
            answer = stage.ask(persona, "POST", path, content=content, headers=headers)
            said = f"{name} {str(value)[:24]!r}: {answer.status_code} {answer.text[:200]}"
            if answer.is_success:
                shown = answer.json()[kind] if kind else answer.json()
                if not _literally(name, value, shown):
                    yield f"changed: {said}"
                stage.restore()
            elif answer.status_code not in (400, 403, 404, 409) or len(answer.text) > 2000:
                yield f"refused wrongly: {said}"


def _literally(name: str, value: Any, shown: dict[str, Any]) -> bool:
    """Whether a value that was taken is what is shown; nothing and null let the service choose."""
    if name in NOT_SHOWN or name not in shown or value in ("", None, [], {}):
        return True
    got = shown[name]
    if name == "id":
        return bool(got == str(value))  # a flavor's may be written as a number
    if isinstance(value, bool) or isinstance(got, str):
        return type(got) is type(value) and bool(got == value)
    if isinstance(got, bool):
        return value in (0, 1) and got == bool(value)  # as neutron reads truth values
    return bool(got == value)
