"""Security group rules: one thing each that is let through."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from netaddr import AddrFormatError, IPNetwork
from pydantic import Field
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from freehold.errors import BadRequest
from freehold.http import Whole
from freehold.network.request import Address, Bulk, Described, Id, Owned, Text
from freehold.network.standard import Standard
from freehold.store import Base

NAMED = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "icmp": 1,
    "igmp": 2,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
"""Protocol names of the API reference with their IANA numbers."""
ALIASES = {"icmpv6": "ipv6-icmp"}
WITH_PORTS = frozenset({"tcp", "udp", "sctp", "6", "17", "132"})
"""OVN's matches know no ports of DCCP and UDPLITE (ovn-sb(5), Logical_Flow)."""
ICMP = frozenset({"icmp", "ipv6-icmp", "1", "58"})


class SecurityGroupRule(Standard, Base):
    """One rule. It has no name; the standard attribute stays empty."""

    __tablename__ = "security_group_rules"

    security_group_id: Mapped[str] = mapped_column(
        ForeignKey("security_groups.id", ondelete="CASCADE"), index=True
    )
    direction: Mapped[str]
    ethertype: Mapped[str]
    protocol: Mapped[str | None]
    port_range_min: Mapped[int | None]
    port_range_max: Mapped[int | None]
    remote_ip_prefix: Mapped[str | None]
    remote_group_id: Mapped[str | None] = mapped_column(index=True)

    @classmethod
    def of(cls, project_id: str, now: datetime, **columns: Any) -> SecurityGroupRule:
        """A new rule; its group takes it in."""
        empty = dict.fromkeys(
            (
                *("protocol", "port_range_min", "port_range_max"),
                *("remote_ip_prefix", "remote_group_id"),
            )
        )
        return cls(
            project_id=project_id,
            created_at=now,
            updated_at=now,
            revision_number=0,
            **(empty | columns),
        )

    @property
    def normalized_cidr(self) -> str | None:
        """The remote prefix without host bits."""
        return str(IPNetwork(self.remote_ip_prefix).cidr) if self.remote_ip_prefix else None

    def lets_through(self) -> tuple[Any, ...]:
        """What two rules must not have in common within a group."""
        protocol = str(NAMED.get(self.protocol or "", self.protocol))
        return (
            self.direction,
            self.ethertype,
            protocol,
            self.port_range_min,
            self.port_range_max,
            self.normalized_cidr,
            self.remote_group_id,
        )


class RuleWish(Described, Owned):
    """Body of POST."""

    ABSENT = frozenset({"remote_address_group_id"})

    security_group_id: Id
    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6", "ipv4", "ipv6"] = "IPv4"
    protocol: Text | Whole | None = None
    port_range_min: Whole | None = None
    port_range_max: Whole | None = None
    remote_ip_prefix: Address | None = None
    remote_group_id: Id | None = None


class NewRules(Bulk):
    """One rule, or several, all or none."""

    security_group_rule: RuleWish | None = None
    security_group_rules: list[RuleWish] | None = Field(default=None, min_length=1, max_length=100)


def rule_wire(rule: SecurityGroupRule) -> dict[str, Any]:
    """One rule in its wire form."""
    shown = rule.standard_wire()
    del shown["name"]
    return shown | {
        "security_group_id": rule.security_group_id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "remote_group_id": rule.remote_group_id,
        "normalized_cidr": rule.normalized_cidr,
    }


def columns_of(wish: RuleWish) -> dict[str, Any]:
    """A rule's columns from what was asked.

    Raises:
        BadRequest: Parts that do not go together.
    """
    ethertype = "IPv4" if wish.ethertype.lower() == "ipv4" else "IPv6"
    protocol = _protocol(wish.protocol, ethertype)
    low, high = wish.port_range_min, wish.port_range_max
    if protocol in ICMP:
        _require_icmp(low, high)
    elif low is not None or high is not None:
        low, high = _ports(protocol, low, high)
    if wish.remote_ip_prefix is not None and wish.remote_group_id is not None:
        raise BadRequest(
            "Only remote_ip_prefix or remote_group_id may be provided.",
            kind="SecurityGroupRemoteGroupAndRemoteIpPrefix",
        )
    return {
        "direction": wish.direction,
        "ethertype": ethertype,
        "protocol": protocol,
        "port_range_min": low,
        "port_range_max": high,
        "remote_ip_prefix": _prefix(wish.remote_ip_prefix, ethertype),
        "remote_group_id": wish.remote_group_id,
        "description": wish.description,
    }


def _protocol(said: str | int | None, ethertype: str) -> str | None:
    if said is None or str(said).lower() in ("any", "0", ""):
        return None
    text = ALIASES.get(str(said).lower(), str(said).lower())
    if text.isascii() and text.isdigit():
        if int(text) > 255:
            raise BadRequest(
                f"Security group rule protocol {said} not supported.",
                kind="SecurityGroupRuleInvalidProtocol",
            )
        return text
    if text not in NAMED:
        raise BadRequest(
            f"Security group rule protocol {str(said)[:32]} not supported. Only protocol values "
            f"{', '.join(sorted(NAMED))} and integer representations [0 to 255] are supported.",
            kind="SecurityGroupRuleInvalidProtocol",
        )
    if text == "icmp" and ethertype == "IPv6":
        return "ipv6-icmp"
    if text.startswith("ipv6-") and ethertype == "IPv4":
        raise BadRequest(
            f"Invalid ethertype IPv4 for protocol {said}.",
            kind="SecurityGroupEthertypeConflictWithProtocol",
        )
    return text


def _require_icmp(kind: int | None, code: int | None) -> None:
    named = (("type", "port-range-min", kind), ("code", "port-range-max", code))
    for field, attribute, value in named:
        if value is not None and not 0 <= value <= 255:
            raise BadRequest(
                f"Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255.",
                kind="SecurityGroupInvalidIcmpValue",
            )
    if kind is None and code is not None:
        raise BadRequest(
            f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is "
            "missing.",
            kind="SecurityGroupMissingIcmpType",
        )


def _ports(protocol: str | None, low: int | None, high: int | None) -> tuple[int, int]:
    for value in (low, high):
        if value is not None and not 0 <= value <= 65535:
            raise BadRequest(
                f"Invalid value for port {value}: it must be 0 to 65535.",
                kind="SecurityGroupInvalidPortValue",
            )
    if protocol not in WITH_PORTS:
        raise BadRequest(
            f"Invalid protocol {protocol or 'any'} for port range, only supported for TCP, UDP "
            "and SCTP. Leave the ports out to let all of the protocol through.",
            kind="SecurityGroupInvalidProtocolForPort",
        )
    if low is None or high is None or low > high:
        raise BadRequest(
            "For TCP/UDP protocols, port_range_min must be <= port_range_max",
            kind="SecurityGroupInvalidPortRange",
        )
    return low, high


def _prefix(text: str | None, ethertype: str) -> str | None:
    if text is None:
        return None
    try:
        network = IPNetwork(text)
    except (AddrFormatError, ValueError) as error:
        raise BadRequest(
            f"Invalid CIDR '{text}' given as IP prefix.", kind="InvalidCIDR"
        ) from error
    if network.version != (4 if ethertype == "IPv4" else 6):
        raise BadRequest(
            f"Conflicting value ethertype {ethertype} for CIDR {text}.",
            kind="SecurityGroupRuleParameterConflict",
        )
    return str(network)
