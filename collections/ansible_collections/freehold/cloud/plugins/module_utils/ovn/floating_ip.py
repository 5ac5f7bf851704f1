# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Floating IP → a NAT row of its router, while it is associated; otherwise no row at all."""

from __future__ import annotations

from ansible_collections.freehold.cloud.plugins.module_utils.document import Resource
from ansible_collections.freehold.cloud.plugins.module_utils.ovn import values
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.wanted import (
    Draft,
    Wanted,
    World,
    main_row,
)


def want(resource: Resource, world: World) -> Wanted:
    """Translated on the gateway host (no external MAC), so no host needs the external network."""
    entry, draft = resource.wanted, Draft(resource)
    floating_ip = values.address(entry["floating_ip"], "floating_ip")
    router_id, fixed_ip = entry["router_id"], entry["fixed_ip"]
    if router_id is None or fixed_ip is None:
        return Wanted()
    fixed_ip = values.address(fixed_ip, "fixed_ip")
    if values.version(fixed_ip) != 4 or values.version(floating_ip) != 4:
        raise values.invalid("floating_ip", "and fixed_ip must be of IP version 4")
    if not world.has("router", router_id):
        return Wanted(waiting_for=(f"router {router_id}",), leave=True)
    draft.add(
        "NAT",
        resource.id,
        {"type": "dnat_and_snat", "external_ip": floating_ip, "logical_ip": fixed_ip},
    )
    draft.link(main_row("router", router_id), "nat", resource.id)
    return draft.done()
