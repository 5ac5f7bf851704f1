"""Bodies of network requests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from freehold.http import Whole
from freehold.network.request import Bulk, Named, Owned, Strict


class NetworkChange(Named):
    """Body of PUT, and what POST has in common with it."""

    ABSENT = frozenset(
        {
            *("availability_zone_hints", "dns_domain", "qos_policy_id", "qinq", "vlan_qinq"),
            *("vlan_transparent", "pvlan", "segments"),
        }
    )
    admin_state_up: bool = True
    shared: bool = False
    external: bool = Field(default=False, alias="router:external")
    is_default: bool = False
    port_security_enabled: bool = True


class NetworkWish(NetworkChange, Owned):
    """Body of POST."""

    mtu: Whole | None = Field(default=None, ge=68, le=9000)
    network_type: Literal["vxlan", "flat", "vlan"] | None = Field(
        default=None, alias="provider:network_type"
    )
    physical_network: str | None = Field(
        default=None, alias="provider:physical_network", pattern=r"^[A-Za-z0-9_.-]{1,64}$"
    )
    segmentation_id: Whole | None = Field(
        default=None, alias="provider:segmentation_id", ge=1, le=4094
    )


class NewNetworks(Bulk):
    """One network or several."""

    network: NetworkWish | None = None
    networks: list[NetworkWish] | None = Field(default=None, min_length=1, max_length=100)


class ChangedNetwork(Strict):
    """Another state of one network."""

    network: NetworkChange
