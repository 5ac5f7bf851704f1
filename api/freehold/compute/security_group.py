"""``/os-security-groups`` and ``/os-security-group-rules``, which end with microversion 2.35.

The Networking API's groups in nova's old form. Nothing is kept here: each call is the Networking
API's own operation, and its conflicts are told as nova tells them (a group in use is a 400).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from freehold import network
from freehold.access import Rule
from freehold.compute.server_request import Data
from freehold.compute.server_security_group import group_wire, rule_wire
from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call, Reply, Routes, Whole
from freehold.http.body import fitting

POLICY = "os_compute_api:os-security-groups"
ALL_PROJECTS = f"{POLICY}:get:all_tenants"
_READ, _WRITE = "rule:admin_or_reader", "rule:admin_or_member"
RULES = [
    Rule(f"{POLICY}:get", _READ, "List security groups in nova's form"),
    Rule(ALL_PROJECTS, "rule:admin_required", "List those of all projects"),
    Rule(f"{POLICY}:show", _READ, "Show a security group in nova's form"),
    Rule(f"{POLICY}:create", _WRITE, "Make a security group"),
    Rule(f"{POLICY}:update", _WRITE, "Rename a security group"),
    Rule(f"{POLICY}:delete", _WRITE, "Delete a security group"),
    Rule(f"{POLICY}:rule:create", _WRITE, "Make a security group rule"),
    Rule(f"{POLICY}:rule:delete", _WRITE, "Delete a security group rule"),
]
ANY = -1
"""Nova's number for every port, every ICMP type."""

Text = Annotated[str, Field(max_length=255), Data]
Port = Annotated[Whole, Field(ge=ANY, le=65535)]


class GroupFields(BaseModel):
    """What a tenant says of a group."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Text, Field(pattern=r"\S")]
    description: Text


class GroupBody(BaseModel):
    """Body of POST and PUT."""

    model_config = ConfigDict(extra="forbid")

    security_group: GroupFields


class RuleFields(BaseModel):
    """What a tenant says of a rule; it is about packets that come in."""

    model_config = ConfigDict(extra="forbid")

    parent_group_id: Text
    ip_protocol: Text | None = None
    from_port: Port | None = None
    to_port: Port | None = None
    cidr: Text | None = None
    group_id: Text | None = None


class RuleBody(BaseModel):
    """Body of POST."""

    model_config = ConfigDict(extra="forbid")

    security_group_rule: RuleFields


@contextmanager
def _as_nova(call: Call) -> Iterator[None]:
    """Refuse microversions that have it no more; tell the Networking API's conflicts as nova."""
    if call.at_least("2.36"):
        raise NotFound("Security groups are in the Networking API since microversion 2.36.")
    try:
        yield
    except Conflict as error:
        raise BadRequest(error.message, kind=error.kind) from error


def list_groups(call: Call) -> dict[str, Any]:
    """The project's groups, for operators with ``all_tenants`` those of all; ``limit`` and
    ``offset`` cut a piece out.
    """
    with _as_nova(call):
        everybody = "all_tenants" in call.params and call.may(ALL_PROJECTS)
        groups = network.groups_of_project(call, everybody=everybody)
        names = {group["id"]: group["name"] for group in groups}
        first, count = _whole(call, "offset", 0), _whole(call, "limit", len(groups))
        shown = groups[first : first + count]
        return {"security_groups": [group_wire(group, names) for group in shown]}


def _whole(call: Call, name: str, default: int) -> int:
    text = call.params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise BadRequest(f"{name} {text[:32]!r} is not a whole number from 0")
    return int(text[:9])


def _shown(group: dict[str, Any]) -> dict[str, Any]:
    return {"security_group": group_wire(group, {group["id"]: group["name"]})}


def show_group(call: Call, group_id: str) -> dict[str, Any]:
    """One group."""
    with _as_nova(call):
        return _shown(network.show_group(call, group_id)["security_group"])


def create_group(call: Call, body: GroupBody) -> dict[str, Any]:
    """Make a group."""
    with _as_nova(call):
        wish = network.GroupWish(**body.security_group.model_dump())
        return _shown(
            network.create_group(call, network.NewGroup(security_group=wish))["security_group"]
        )


def update_group(call: Call, group_id: str, body: GroupBody) -> dict[str, Any]:
    """Rename a group or describe it anew."""
    with _as_nova(call):
        change = network.GroupChange(**body.security_group.model_dump())
        changed = network.ChangedGroup(security_group=change)
        return _shown(network.update_group(call, group_id, changed)["security_group"])


def delete_group(call: Call, group_id: str) -> Reply:
    """Delete a group that no server has."""
    with _as_nova(call):
        network.delete_group(call, group_id)
        return Reply(None, 202)


_RULE = TypeAdapter(network.RuleWish)


def create_rule(call: Call, body: RuleBody) -> dict[str, Any]:
    """Let something in."""
    said = body.security_group_rule
    for name in ("parent_group_id", "group_id"):
        _require_uuid(name, getattr(said, name))
    with _as_nova(call):
        fields = {
            "security_group_id": said.parent_group_id,
            "direction": "ingress",
            "ethertype": "IPv6" if ":" in (said.cidr or "") else "IPv4",
            "protocol": said.ip_protocol or None,
            "port_range_min": None if said.from_port == ANY else said.from_port,
            "port_range_max": None if said.to_port == ANY else said.to_port,
            "remote_ip_prefix": said.cidr or None,
            "remote_group_id": said.group_id or None,
        }
        wish = fitting(_RULE, fields)
        made = network.create_rules(call, network.NewRules(security_group_rule=wish))
        return {"security_group_rule": rule_wire(made["security_group_rule"], _remote(call, said))}


def _require_uuid(name: str, told: str | None) -> None:
    if not told:
        return
    try:
        UUID(told)
    except ValueError as error:
        raise BadRequest(f"Invalid input: {name}: security group id should be uuid.") from error


def _remote(call: Call, said: RuleFields) -> dict[str, str]:
    """The name of the group that a rule refers to."""
    if not said.group_id:
        return {}
    return {said.group_id: network.show_group(call, said.group_id)["security_group"]["name"]}


def delete_rule(call: Call, rule_id: str) -> Reply:
    """Let it in no longer."""
    with _as_nova(call):
        network.delete_rule(call, rule_id)
        return Reply(None, 202)


def routes(table: Routes) -> None:
    """Serve them."""
    groups, one = "/os-security-groups", "/os-security-groups/{group_id}"
    table.add("GET", groups, list_groups, policy=f"{POLICY}:get")
    table.add("POST", groups, create_group, policy=f"{POLICY}:create")
    table.add("GET", one, show_group, policy=f"{POLICY}:show")
    table.add("PUT", one, update_group, policy=f"{POLICY}:update")
    table.add("DELETE", one, delete_group, policy=f"{POLICY}:delete", status=202, empty=True)
    rules = "/os-security-group-rules"
    table.add("POST", rules, create_rule, policy=f"{POLICY}:rule:create")
    table.add(
        "DELETE",
        rules + "/{rule_id}",
        delete_rule,
        policy=f"{POLICY}:rule:delete",
        status=202,
        empty=True,
    )
