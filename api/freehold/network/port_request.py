"""Bodies of port requests."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from freehold.network.request import Address, Bulk, Id, Named, Owned, Strict, Text

_MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")


def _mac(text: str) -> str:
    lowered = text.lower()
    if not _MAC.match(lowered) or int(lowered[:2], 16) & 1 or lowered == "00:00:00:00:00:00":
        raise ValueError("is not a MAC address that a port can have")
    return lowered


Mac = Annotated[str, Field(max_length=17), AfterValidator(_mac)]


class FixedIp(Strict):
    """An address asked for, by subnet, by address or by both."""

    subnet_id: Id | None = None
    ip_address: Address | None = None


class AddressPair(Strict):
    """A further address that the port may send from."""

    ip_address: Address
    mac_address: Mac | None = None


class PortChange(Named):
    """Body of PUT, and what POST has in common with it."""

    ABSENT = frozenset(
        {
            *("device_profile", "dns_domain", "dns_name", "extra_dhcp_opts", "hints", "trusted"),
            *("numa_affinity_policy", "propagate_uplink_status", "qos_policy_id", "tags"),
        }
    )
    admin_state_up: bool = True
    device_id: Text = ""
    device_owner: Text = ""
    fixed_ips: list[FixedIp] | None = Field(default=None, max_length=20)
    mac_address: Mac | None = None
    security_groups: list[Id] | None = Field(default=None, max_length=50)
    allowed_address_pairs: list[AddressPair] | None = Field(default=None, max_length=20)
    port_security_enabled: bool | None = None
    host: Text | None = Field(default=None, alias="binding:host_id")
    vnic_type: str = Field(default="normal", alias="binding:vnic_type", pattern="^normal$")
    profile: dict[str, Any] | None = Field(default=None, alias="binding:profile", max_length=0)


class PortWish(PortChange, Owned):
    """Body of POST."""

    network_id: Id


class NewPorts(Bulk):
    """One port or several."""

    port: PortWish | None = None
    ports: list[PortWish] | None = Field(default=None, min_length=1, max_length=100)


class ChangedPort(Strict):
    """Another state of one port."""

    port: PortChange
