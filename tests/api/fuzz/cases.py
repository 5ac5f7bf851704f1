"""Requests drawn from our OpenAPI document by schemathesis, made likely to reach the code behind
the checks.

A drawn body rarely names a thing that exists or a range that is one, so most would be refused at
the door. Half of the cases get the ids of real things in the path and plausible values where a
field's name tells what it wants.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import schemathesis
from httpx2 import Response
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from tests.api.isolation.stage import PERSONAS, Stage
from tests.api.isolation.table import Line, question, read_table

PATCH = "application/openstack-images-v2.1-json-patch"
CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
ASKED_AS = ("member", "admin", "anonymous")
RANGES = ["10.0.0.0/24", "10.77.0.0/29", "0.0.0.0/0", "fd00::/64", "10.77.0.1/24", "10.77.0.0/33"]
ADDRESSES = ["10.0.0.9", "10.0.0.1", "10.0.0.255", "fd00::9", "10.0.0.0/24", "0.0.0.0", "1.2.3"]
THINGS = {
    "network_id": "networks",
    "uuid": "networks",
    "floating_network_id": "outside",
    "subnet_id": "subnets",
    "port_id": "ports",
    "port": "spare_port",
    "security_group_id": "security-groups",
    "parent_group_id": "security-groups",
    "group_id": "security-groups",
    "remote_group_id": "security-groups",
    "imageRef": "images",
    "flavorRef": "flavors",
    "tenant": "project_theirs",
    "member": "project_theirs",
    "service_id": "services",
    "default_project_id": "projects",
    "parent_id": "projects",
    "region_id": "regions",
}
PLAUSIBLE: dict[str, list[Any]] = {
    "cidr": RANGES,
    "remote_ip_prefix": RANGES,
    "destination": RANGES,
    "ip_address": ADDRESSES,
    "fixed_ip": ADDRESSES,
    "fixed_ip_address": ADDRESSES,
    "gateway_ip": ADDRESSES,
    "nexthop": ADDRESSES,
    "start": ADDRESSES,
    "end": ADDRESSES,
    "protocol": ["tcp", "icmp", "ipv6-icmp", "0", "255", 17],
    "ip_protocol": ["tcp", "icmp", "17"],
    "direction": ["ingress", "egress"],
    "ethertype": ["IPv4", "IPv6"],
    "ip_version": [4, 6],
    "networks": ["none", "auto"],
    "disk_format": ["raw", "qcow2"],
    "container_format": ["bare"],
    "visibility": ["private", "shared", "community"],
    "domain_id": ["default"],
    "key_name": ["owners-own"],
    "user_data": ["aGVsbG8="],
}


@schemathesis.serializer(PATCH)
def _patch(_context: Any, value: Any) -> dict[str, Any]:
    return {"data": json.dumps(value).encode()}


@dataclass(frozen=True)
class Target:
    """One operation of the document, and the line of the table that says who may ask for it."""

    operation: APIOperation
    line: Line

    @property
    def persona(self) -> str:
        """Somebody who may."""
        for name in ASKED_AS:
            if self.line.expected[PERSONAS.index(name)] not in (401, 403, 404):
                return name
        return "admin"


def targets(stage: Stage) -> list[Target]:
    """Every operation of the document but HEAD, which is GET."""
    document = dict(stage.service.app.openapi())
    for path in document["paths"].values():
        for operation in path.values():
            operation.pop("security", None)  # who may is the isolation tests' question
    lines: dict[tuple[str, str], Line] = {}
    for line in read_table():
        method, path = line.route
        lines.setdefault((method, re.sub(r":\w+\}", "}", path)), line)
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    return [
        Target(operation, lines[(operation.method.upper(), operation.path)])
        for operation in operations
        if operation.method != "head"
    ]


def requests(stage: Stage, target: Target) -> st.SearchStrategy[tuple[Any, dict[str, Any]]]:
    """Cases and how each is sent; those that fit the document and those that do not."""
    asked = question(stage, target.line)
    usual = asked.options.get("headers", {})
    real = _path_parameters(target, asked.path)

    @st.composite
    def drawn(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
        mode = draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
        deep = draw(st.booleans())
        known = {"path_parameters": real} if deep and real else {}
        case = draw(target.operation.as_strategy(generation_mode=mode, **known))
        if deep and isinstance(case.body, (dict, list)):
            case.body = draw(_made_plausible(stage, case.body))
        return case, _sent(case, usual)

    return drawn()


def _path_parameters(target: Target, path: str) -> dict[str, str]:
    form = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", target.operation.path)
    found = re.fullmatch(form, path)
    assert found is not None
    return found.groupdict()


def _made_plausible(stage: Stage, value: Any) -> st.SearchStrategy[Any]:
    @st.composite
    def walked(draw: st.DrawFn) -> Any:
        return _walk(draw, stage, "", value)

    return walked()


def _walk(draw: st.DrawFn, stage: Stage, name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _walk(draw, stage, key, part) for key, part in value.items()}
    if isinstance(value, list):
        return [_walk(draw, stage, name, part) for part in value]
    if name in THINGS and draw(st.integers(0, 3)):
        return stage.things[THINGS[name]]
    if name in PLAUSIBLE and draw(st.integers(0, 3)):
        return draw(st.sampled_from(PLAUSIBLE[name]))
    return value


def _sent(case: Any, usual: Mapping[str, str]) -> dict[str, Any]:
    """The case as our client sends it, with the headers that its route is usually asked with."""
    told = case.as_transport_kwargs(base_url="http://testserver")
    sent = {
        "method": told["method"],
        "path": told["url"].removeprefix("http://testserver"),
        "params": told.get("params") or {},
        "headers": usual | _latin(case.headers or {}) | _media_type(case),
    }
    if "json" in told:
        sent["json"] = told["json"]
    elif isinstance(told.get("data"), (bytes, str)):
        sent["content"] = told["data"]
    return sent


def _media_type(case: Any) -> dict[str, bytes]:
    return {"Content-Type": case.media_type.encode()} if case.media_type else {}


def _latin(headers: Mapping[str, Any]) -> dict[str, bytes]:
    """As they travel: RFC 9110 has no other letters."""
    return {name: str(value).encode("latin-1", "replace") for name, value in headers.items()}


def problems(case: Any, answer: Response) -> Iterator[str]:
    """Where an answer is not what the document says; 501 and 503 are words, not accidents."""
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as group:
        found = [failure for failure in group.exceptions if isinstance(failure, Failure)]
        for failure in found:
            if answer.status_code in (501, 503) and "Server error" in failure.title:
                continue
            yield f"{failure.title}: {failure.message}"
