"""Bodies of subnet requests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from freehold.http import Whole
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
    """Body of POST: with a range, or with a pool to cut one from, or both."""

    network_id: Id
    cidr: Address | None = None
    ip_version: Literal[4, 6]
    ipv6_ra_mode: Mode | None = None
    ipv6_address_mode: Mode | None = None
    subnetpool_id: Id | None = None
    use_default_subnetpool: bool = False
    prefixlen: Whole | None = Field(default=None, ge=0, le=128)

    @model_validator(mode="after")
    def _one_source(self) -> SubnetWish:
        pooled = self.subnetpool_id is not None or self.use_default_subnetpool
        if self.cidr is None and not pooled:
            raise ValueError("a subnetpool must be specified in the absence of a cidr")
        if self.prefixlen is not None and (self.cidr is not None or not pooled):
            raise ValueError("prefixlen is for a subnet that a pool chooses the cidr of")
        if self.subnetpool_id is not None and self.use_default_subnetpool:
            raise ValueError("subnetpool_id and use_default_subnetpool exclude each other")
        return self


class NewSubnets(Bulk):
    subnet: SubnetWish | None = None
    subnets: list[SubnetWish] | None = Field(default=None, min_length=1, max_length=100)


class ChangedSubnet(Strict):
    subnet: SubnetChange
