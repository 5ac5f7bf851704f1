"""Bodies of subnet requests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from freehold.network.request import Address, Bulk, Id, Named, Owned, Strict
from freehold.network.subnet_mode import Mode
from freehold.network.subnet_range import MAX_HOST_ROUTES


class Pool(Strict):
    """A range of addresses."""

    start: Address
    end: Address


class HostRoute(Strict):
    """A route, such as DHCP tells guests."""

    destination: Address
    nexthop: Address


class SubnetChange(Named):
    """Body of PUT, and what POST has in common with it."""

    ABSENT = frozenset({"dns_publish_fixed_ip", "segment_id", "service_types"})
    gateway_ip: Address | None = None
    enable_dhcp: bool = True
    dns_nameservers: list[Address] | None = Field(default=None, max_length=100)
    host_routes: list[HostRoute] | None = Field(default=None, max_length=MAX_HOST_ROUTES)
    allocation_pools: list[Pool] | None = Field(default=None, max_length=100)


class SubnetWish(SubnetChange, Owned):
    """Body of POST. Subnet pools are not supported by this cloud yet."""

    network_id: Id
    cidr: Address
    ip_version: Literal[4, 6]
    ipv6_ra_mode: Mode | None = None
    ipv6_address_mode: Mode | None = None
    subnetpool_id: None = None
    use_default_subnetpool: Literal[False] = False
    prefixlen: None = None


class NewSubnets(Bulk):
    subnet: SubnetWish | None = None
    subnets: list[SubnetWish] | None = Field(default=None, min_length=1, max_length=100)


class ChangedSubnet(Strict):
    subnet: SubnetChange
