# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security group → port group with one ACL a rule; and the group that drops what no rule allows.

Priorities: rules 1002, drop 1001. OVN makes the address sets ``$<group>_ip4`` and ``$<group>_ip6``
of each port group itself (ovn-nb(5), Port_Group), which is what a rule with a remote group uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    CloudError,
    Resource,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn import values
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import (
    OWNER,
    Link,
    Row,
    derived_id,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.wanted import (
    Draft,
    Wanted,
    World,
    main_row,
)

ALLOW, DROP = 1002, 1001

# IANA protocol numbers of the names that the Networking API knows, besides tcp, udp, sctp, icmp.
PROTOCOLS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "igmp": 2,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "udplite": 136,
    "vrrp": 112,
}
WITH_PORTS = {"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "sctp": "sctp", "132": "sctp"}
ICMP = frozenset({"icmp", "1", "icmpv6", "icmp6", "ipv6-icmp", "58"})
ANY = frozenset({"", "any", "-1"})


def group_name(group_id: str) -> str:
    """The port group's name; match expressions allow no dash in names."""
    return "pg_" + group_id.replace("-", "_")


def want(resource: Resource, world: World) -> Wanted:
    entry, draft = resource.wanted, Draft(resource)
    group = main_row("security_group", resource.id)
    draft.add(
        *group,
        {"name": group_name(resource.id)},
        freehold_name=values.label(entry["name"]),
    )
    action = "allow-related" if entry["stateful"] else "allow-stateless"
    for index, rule in enumerate(entry["rules"]):
        try:
            match = rule_match(resource.id, rule, f"rules[{index}]")
        except CloudError as error:
            # Left out, nothing is let in; refusing the group would hold back its other rules.
            draft.refuse(error)
            continue
        remote = rule["remote_group_id"]
        if remote and remote != resource.id and not world.has("security_group", remote):
            draft.wait(f"security group {remote}, the remote group of rule {rule['id']}")
            continue
        direction = "to-lport" if rule["direction"] == "ingress" else "from-lport"
        draft.add(
            "ACL",
            rule["id"],
            {"priority": ALLOW, "direction": direction, "match": match, "action": action},
        )
        draft.link(group, "acls", rule["id"])
    return draft.done()


def rule_match(group_id: str, rule: Mapping[str, Any], where: str) -> str:
    """A rule as OVN's match expression (ovn-sb(5), Logical_Flow, match)."""
    ingress = rule["direction"] == "ingress"
    family = "ip4" if rule["ethertype"] == "IPv4" else "ip6"
    port, side = ("outport", "src") if ingress else ("inport", "dst")
    terms = [f"{port} == @{group_name(group_id)}", family]
    if rule["remote_ip_prefix"] is not None:
        prefix = values.network(rule["remote_ip_prefix"], f"{where}.remote_ip_prefix")
        if values.version(prefix) != int(family[-1]):
            raise values.invalid(f"{where}.remote_ip_prefix", f"must be {rule['ethertype']}")
        if not prefix.endswith("/0"):
            terms.append(f"{family}.{side} == {prefix}")
    if rule["remote_group_id"] is not None:
        terms.append(f"{family}.{side} == ${group_name(rule['remote_group_id'])}_{family}")
    return " && ".join(terms + _protocol(rule, family, where))


def _protocol(rule: Mapping[str, Any], family: str, where: str) -> list[str]:
    protocol = (rule["protocol"] or "").lower()
    low, high = rule["port_range_min"], rule["port_range_max"]
    if protocol in ICMP:
        return _icmp("icmp4" if family == "ip4" else "icmp6", low, high, where)
    if protocol in WITH_PORTS:
        return _ports(WITH_PORTS[protocol], low, high, where)
    if low is not None or high is not None:
        raise values.invalid(where, "has ports, which only tcp, udp, sctp and icmp rules can have")
    if protocol in ANY:
        return []
    number = PROTOCOLS.get(protocol, int(protocol) if protocol.isdecimal() else -1)
    if not 0 <= number <= 255:
        raise values.invalid(f"{where}.protocol", "is no protocol name or number from 0 to 255")
    return [f"ip.proto == {number}"]


def _ports(name: str, low: int | None, high: int | None, where: str) -> list[str]:
    low, high = (high if low is None else low), (low if high is None else high)
    if low is None or high is None:
        return [name]
    if not 0 <= low <= high <= 65535:
        raise values.invalid(where, "has a port range that is not 0 <= min <= max <= 65535")
    if low == high:
        return [name, f"{name}.dst == {low}"]
    return [name, f"{name}.dst >= {low}", f"{name}.dst <= {high}"]


def _icmp(name: str, type_: int | None, code: int | None, where: str) -> list[str]:
    if code is not None and type_ is None:
        raise values.invalid(where, "has an ICMP code without a type")
    if not all(number is None or 0 <= number <= 255 for number in (type_, code)):
        raise values.invalid(where, "has an ICMP type or code outside 0 to 255")
    terms = [name]
    if type_ is not None:
        terms.append(f"{name}.type == {type_}")
    if code is not None:
        terms.append(f"{name}.code == {code}")
    return terms


DROP_NAME = "freehold_pg_drop"
DROP_GROUP = ("Port_Group", derived_id("drop_group"))

# (direction, priority, what, action). A guest must get its address before any rule is made, so
# asking for one is allowed; the answer comes from OVN itself and passes no rule.
_DROP_ACLS = (
    ("to-lport", DROP, "ip", "drop"),
    ("from-lport", DROP, "ip", "drop"),
    ("from-lport", ALLOW, "ip4 && udp.src == 68 && udp.dst == 67", "allow"),
    ("from-lport", ALLOW, "ip6 && udp.src == 546 && udp.dst == 547", "allow"),
)


def drop_group() -> Wanted:
    """The one group of all ports with port security: no IP passes unless a rule says so."""
    ids = {OWNER: "drop_group"}
    rows, links = [Row(*DROP_GROUP, {"name": DROP_NAME, "external_ids": ids})], set()
    for direction, priority, what, action in _DROP_ACLS:
        side = "outport" if direction == "to-lport" else "inport"
        acl = {
            "direction": direction,
            "priority": priority,
            "match": f"{side} == @{DROP_NAME} && {what}",
            "action": action,
            "external_ids": ids,
        }
        uuid = derived_id("drop_group", direction, what)
        rows.append(Row("ACL", uuid, acl))
        links.add(Link(*DROP_GROUP, "acls", uuid))
    return Wanted(tuple(rows), frozenset(links))
