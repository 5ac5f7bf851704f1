# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network → logical switch, with a localnet port where it is a physical network."""

from __future__ import annotations

from ansible_collections.freehold.cloud.plugins.module_utils.document import Resource
from ansible_collections.freehold.cloud.plugins.module_utils.ovn import values
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import derived_id
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.wanted import (
    Draft,
    Wanted,
    World,
    main_row,
)


def want(resource: Resource, world: World) -> Wanted:
    """The switch keeps the network's MTU, which routers ask for when they make a gateway."""
    entry, draft = resource.wanted, Draft(resource)
    draft.add(
        "Logical_Switch",
        resource.id,
        {"name": f"freehold-{resource.id}"},
        freehold_name=values.label(entry["name"]),
        freehold_mtu=str(entry["mtu"]),
    )
    physical = entry["physical_network"]
    if physical is not None:
        _localnet(draft, values.token(physical, "physical_network"), entry["vlan_id"])
    return draft.done()


def _localnet(draft: Draft, physical: str, vlan_id: int | None) -> None:
    if vlan_id is not None and not 1 <= vlan_id <= 4094:
        raise values.invalid("vlan_id", "must be from 1 to 4094")
    network_id = draft.resource.id
    port_id = derived_id("localnet", network_id)
    draft.add(
        "Logical_Switch_Port",
        port_id,
        {
            "name": f"localnet-{network_id}",
            "type": "localnet",
            "addresses": frozenset({"unknown"}),
            "options": {"network_name": physical},
            "tag": vlan_id,
        },
    )
    draft.link(main_row("network", network_id), "ports", port_id)
