"""Operations on security group rules; each is a change of its group, which the machine follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from freehold.access import Limit, Rule, hold, require_room
from freehold.errors import Conflict
from freehold.http import Call, Listing, Routes, SortKey
from freehold.network.collection import listed, number, one
from freehold.network.quota import DEFAULTS, used
from freehold.network.security_group import SecurityGroup, drop_rule
from freehold.network.security_group_rule import (
    NewRules,
    RuleWish,
    SecurityGroupRule,
    columns_of,
    rule_wire,
)
from freehold.network.standard import converge, find, own_or

RULES = [
    Rule("create_security_group_rule", "rule:admin_or_member", "POST /security-group-rules"),
    Rule("get_security_group_rule", "rule:admin_or_reader", "GET /security-group-rules"),
    Rule("delete_security_group_rule", "rule:admin_or_member", "DELETE a rule"),
]
LISTING = Listing(
    id=SecurityGroupRule.id,
    columns={
        name: getattr(SecurityGroupRule, name)
        for name in (
            *("id", "project_id", "security_group_id", "direction", "ethertype", "protocol"),
            *("remote_ip_prefix", "remote_group_id", "description"),
            *("port_range_min", "port_range_max", "created_at", "updated_at"),
        )
    },
    parsers=dict.fromkeys(("port_range_min", "port_range_max"), number),
    default_sort=(SortKey("id"),),
)


def views(_call: Call, rows: Sequence[SecurityGroupRule]) -> list[dict[str, Any]]:
    """Rules in their wire form."""
    return [rule_wire(row) for row in rows]


def list_rules(call: Call) -> dict[str, Any]:
    """Rules of the caller's groups."""
    mine = own_or(call.caller, SecurityGroupRule.project_id)
    return listed(
        call, "security_group_rules", LISTING, select(SecurityGroupRule).where(mine), views
    )


def _mine(call: Call, rule_id: str) -> SecurityGroupRule:
    return find(
        call.session,
        SecurityGroupRule,
        rule_id,
        own_or(call.caller, SecurityGroupRule.project_id),
    )


def show_rule(call: Call, rule_id: str) -> dict[str, Any]:
    """One rule."""
    return {"security_group_rule": one(call, views, _mine(call, rule_id))}


def create_rules(call: Call, body: NewRules) -> dict[str, Any]:
    """Let something more through."""
    return body.shown(views(call, [_create(call, wish) for wish in body.wishes()]))


def _create(call: Call, wish: RuleWish) -> SecurityGroupRule:
    mine = own_or(call.caller, SecurityGroup.project_id)
    group = find(call.session, SecurityGroup, wish.security_group_id, mine)
    hold(call.session, group.project_id, "network")
    room = [Limit("security_group_rule", used(call.session, SecurityGroupRule, group.project_id))]
    require_room(call.session, group.project_id, "network", DEFAULTS, room)
    columns = columns_of(wish)
    if wish.remote_group_id is not None:
        find(call.session, SecurityGroup, wish.remote_group_id, mine)
    rule = SecurityGroupRule.of(group.project_id, call.now, **columns)
    for other in group.rules:
        if other.lets_through() == rule.lets_through():
            raise Conflict(
                f"Security group rule already exists. Rule id is {other.id}.",
                kind="SecurityGroupRuleExists",
            )
    group.rules.append(rule)
    group.touch(call.now)
    call.session.flush()
    converge(call.session, group, call.now)
    call.audit("create", "security_group_rule", rule.id, security_group=group.id)
    return rule


def delete_rule(call: Call, rule_id: str) -> None:
    """Let something no longer through."""
    rule = _mine(call, rule_id)
    drop_rule(call.session, rule, call.now)
    call.audit("delete", "security_group_rule", rule_id)


def routes(table: Routes) -> None:
    """Add the routes of security group rules."""
    path = "/security-group-rules"
    table.add("GET", path, list_rules, policy="get_security_group_rule")
    table.add("POST", path, create_rules, policy="create_security_group_rule", status=201)
    table.add("GET", path + "/{rule_id}", show_rule, policy="get_security_group_rule")
    table.add(
        "DELETE", path + "/{rule_id}", delete_rule, policy="delete_security_group_rule", status=204
    )
