"""Security group rules: what is refused because no machine could bring it about."""

from __future__ import annotations

from tests.api.network.neutron import neutron
from tests.support.service import Service


def test_ports_of_protocols_that_ovn_cannot_match_are_refused(service: Service) -> None:
    mine = neutron(service)
    group = mine.create("security_group", name="g")["id"]
    rule = {"security_group_id": group, "direction": "ingress", "protocol": "dccp"}
    mine.create("security_group_rule", **rule)
    wish = {"security_group_rule": {**rule, "port_range_min": 1, "port_range_max": 2}}
    said = mine.refused(400, "POST", "/security-group-rules", wish)
    assert said["type"] == "SecurityGroupInvalidProtocolForPort"
