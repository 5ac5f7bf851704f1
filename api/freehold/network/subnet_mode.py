"""How guests on an IPv6 subnet get their addresses: ``ipv6_ra_mode`` and ``ipv6_address_mode``.

The first says who sends router advertisements (unset: a router that is not ours), the second how a
guest makes its address. With ``slaac`` and ``dhcpv6-stateless`` the guest makes it from its MAC
(EUI-64, RFC 4291 appendix A), so a port has exactly that address in the subnet. Pure.
"""

from __future__ import annotations

from typing import Literal, Protocol

from netaddr import EUI, IPNetwork

from freehold.errors import BadRequest

Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]
AUTOMATIC = ("slaac", "dhcpv6-stateless")
STATEFUL = "dhcpv6-stateful"
EUI64_PREFIX = 64


class HasModes(Protocol):
    """A subnet, or the wish for one."""

    @property
    def ip_version(self) -> int:
        """4 or 6."""

    @property
    def ipv6_ra_mode(self) -> str | None:
        """Who advertises, and what."""

    @property
    def ipv6_address_mode(self) -> str | None:
        """How guests get addresses."""


def require_modes(subnet: HasModes, enable_dhcp: bool, cidr: IPNetwork) -> None:
    """Refuse (BadRequest) modes that do not go together or with the subnet."""
    said = [mode for mode in (subnet.ipv6_ra_mode, subnet.ipv6_address_mode) if mode]
    if not said:
        return
    if subnet.ip_version != 6:
        raise _wrong("ipv6_ra_mode and ipv6_address_mode are for subnets with ip_version 6.")
    if len(set(said)) > 1:
        raise _wrong(
            f"ipv6_ra_mode set to '{subnet.ipv6_ra_mode}' with ipv6_address_mode set to "
            f"'{subnet.ipv6_address_mode}' is not valid. If both attributes are set, they must be "
            "the same value."
        )
    if not enable_dhcp:
        raise _wrong(
            "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False."
        )
    if is_automatic(subnet) and cidr.prefixlen != EUI64_PREFIX:
        raise _wrong(
            f"Invalid CIDR {cidr} for IPv6 address mode. Guests make their addresses by EUI-64, "
            "which requires the prefix to be /64."
        )


def _wrong(message: str) -> BadRequest:
    return BadRequest(f"Invalid input for operation: {message}")


def is_automatic(subnet: HasModes) -> bool:
    """Whether guests make their own addresses, so that a port has just the one of its MAC."""
    return subnet.ipv6_address_mode in AUTOMATIC or subnet.ipv6_ra_mode in AUTOMATIC


def address_mode(subnet: HasModes) -> str | None:
    """What the subnet's DHCP server answers: DHCPv6 with addresses when nothing was said."""
    if subnet.ip_version == 4:
        return None
    return subnet.ipv6_address_mode or subnet.ipv6_ra_mode or STATEFUL


def advertised_mode(subnet: HasModes) -> str | None:
    """What our routers advertise there; None when another router does.

    When nothing was said guests are told to ask DHCPv6: without an advertisement they would have
    neither an address nor a router.
    """
    if subnet.ip_version == 4:
        return None
    return subnet.ipv6_ra_mode or (None if subnet.ipv6_address_mode else STATEFUL)


def own_address(cidr: str, mac: str) -> str:
    """The address that a guest with this MAC makes itself in a /64."""
    return str(EUI(mac).ipv6(IPNetwork(cidr).first))
