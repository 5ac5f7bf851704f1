# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values from a document, checked and in their one canonical form.

Everything that ends in an OVN expression (a match, an option, an address) passes here first. What
comes out was rebuilt from the parsed value or matches a narrow pattern, so no quote, brace or
operator that somebody wrote can get into an expression.
"""

from __future__ import annotations

import ipaddress
import re

from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\Z")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}\Z")

# OVSDB strings are UTF-8 without NUL; one such character would make the server refuse the message
# and with it everybody else's changes.
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def invalid(where: str, rule: str) -> CloudError:
    """The error for a value that cannot be put into OVN; says the place, never the value."""
    return CloudError(
        "VALUE_INVALID", f"{where} {rule}; correct the resource and try again", "when_changed"
    )


def address(value: str, where: str) -> str:
    """An IP address without prefix length or zone."""
    try:
        if "%" in value:
            raise ValueError
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise invalid(where, "is no IP address") from None


def network(value: str, where: str) -> str:
    """An IP network; host bits are cleared, a bare address is a network of one."""
    try:
        if "%" in value:
            raise ValueError
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise invalid(where, "is no IP network (address/length)") from None


def interface(value: str, where: str) -> str:
    """An address with the length of its network, as a router port has it."""
    try:
        if "%" in value or "/" not in value:
            raise ValueError
        return str(ipaddress.ip_interface(value))
    except ValueError:
        raise invalid(where, "is no address with prefix length") from None


def address_or_network(value: str, where: str) -> str:
    """An allowed address pair's ``ip_address``: either of the two."""
    return network(value, where) if "/" in value else address(value, where)


def mac(value: str, where: str) -> str:
    lowered = value.lower()
    if not _MAC.match(lowered):
        raise invalid(where, "is no MAC address (six pairs of hex digits with colons)")
    return lowered


def token(value: str, where: str) -> str:
    """A host's or a physical network's name."""
    if not _TOKEN.match(value):
        raise invalid(where, "may hold letters, digits, '.', '_' and '-' only")
    return value


def version(value: str) -> int:
    """4 or 6, for a value that was checked before."""
    return 6 if ":" in value else 4


def label(value: str) -> str:
    """A name that a tenant gave, as OVSDB can hold it: data in ``external_ids``, never parsed."""
    return _UNWRITABLE.sub("\ufffd", value)
