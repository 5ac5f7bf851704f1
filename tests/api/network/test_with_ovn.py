"""Service and module together on a real northbound database: only what changed has to be told.

After every step the changes are converged; then the document of everything must change nothing and
know everything that is there. So no change is left untold, and none needs more than its own rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from freehold.hosts import HostWish, register
from freehold.jobs import Result, Scope
from freehold.store import utc_now
from tests.api.network.machine import document, kind
from tests.api.network.neutron import Neutron, neutron, outside
from tests.contract.ovn.conftest import folder, northbound
from tests.contract.ovn.servers import Northbound
from tests.support.service import Service, admin

__all__ = ["folder", "northbound"]


@dataclass
class World:
    """A tenant, the operator, and the database that follows them."""

    service: Service
    northbound: Northbound
    mine: Neutron
    ids: dict[str, str] = field(default_factory=dict)

    def follow(self) -> None:
        """Converge the changes until all is settled, then prove that nothing is left untold."""
        while (changes := document(self.service)) is not None:
            result = Result.model_validate(self.northbound.converge(changes))
            problems = [e.error for e in result.resources if e.error]
            assert problems == []
            with self.service.store.write() as session:
                assert kind(self.service).write_back(session, "ovn", result, utc_now())
        everything = document(self.service, Scope.ALL)
        if everything is None:
            return
        again = Result.model_validate(self.northbound.converge(everything))
        assert [(e.type, e.steps) for e in again.resources if e.outcome != "unchanged"] == []
        assert again.unknown == []


@pytest.fixture
def world(alone: Service, northbound: Northbound) -> World:
    with alone.store.write() as session:
        for name in ("hv1", "hv2"):
            register(session, name, HostWish(), utc_now())
    return World(alone, northbound, neutron(alone))


def _remove_interface(world: World, **by: str) -> None:
    path = f"/routers/{world.ids['router']}/remove_router_interface"
    answer = world.mine.call("PUT", path, by)
    assert answer.status_code == 200, answer.text


def _rule(world: World, group: str, **fields: Any) -> str:
    wish = {"security_group_id": world.ids[group], "direction": "ingress", **fields}
    return str(world.mine.create("security_group_rule", **wish)["id"])


def _networks(world: World) -> None:
    world.ids["external"], world.ids["external_subnet"] = outside(world.service)
    world.ids["network"], world.ids["subnet"] = world.mine.network("10.1.0.0/24")
    world.ids["other"], world.ids["other_subnet"] = world.mine.network("10.2.0.0/24")


def _second_version(world: World) -> None:
    world.mine.create("subnet", network_id=world.ids["network"], cidr="fd00:1::/64", ip_version=6)


def _ports(world: World) -> None:
    for name in ("port", "spare"):
        port = world.mine.create("port", network_id=world.ids["network"], name=name)
        world.ids[name] = port["id"]


def _router(world: World) -> None:
    gateway = {"network_id": world.ids["external"]}
    world.ids["router"] = world.mine.create("router", external_gateway_info=gateway)["id"]
    world.mine.add(world.ids["router"], subnet_id=world.ids["subnet"])


def _router_takes_a_port(world: World) -> None:
    port = world.mine.create("port", network_id=world.ids["other"])["id"]
    world.follow()
    world.ids["inside"] = world.mine.add(world.ids["router"], port_id=port)["port_id"]


def _inner_address(world: World) -> None:
    fixed = [{"ip_address": "10.2.0.77"}]
    world.mine.update("port", world.ids["inside"], fixed_ips=fixed)


def _guests_make_addresses(world: World) -> None:
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    wish = {"network_id": world.ids["network"], "cidr": "fd00:2::/64", "ip_version": 6}
    world.ids["prefix"] = world.mine.create("subnet", **wish, **modes)["id"]
    world.mine.add(world.ids["router"], subnet_id=world.ids["prefix"])


def _prefix_goes(world: World) -> None:
    _remove_interface(world, subnet_id=world.ids["prefix"])
    world.mine.delete("subnet", world.ids["prefix"])


def _floating_ip(world: World) -> None:
    world.ids["floating"] = world.mine.create(
        "floatingip",
        floating_network_id=world.ids["external"],
        port_id=world.ids["port"],
    )["id"]


def _floating_ip_moves(world: World) -> None:
    world.mine.update("floatingip", world.ids["floating"], port_id=world.ids["spare"])


def _floating_ip_leads_nowhere(world: World) -> None:
    world.mine.update("floatingip", world.ids["floating"], port_id=None)


def _groups(world: World) -> None:
    for name in ("web", "friends"):
        world.ids[name] = world.mine.create("security_group", name=name)["id"]
    world.ids["rule"] = _rule(world, "web", protocol="tcp", port_range_min=22, port_range_max=22)
    _rule(world, "web", protocol="icmp", remote_ip_prefix="10.0.0.5/8")
    _rule(world, "web", ethertype="IPv6", protocol="ipv6-icmp")
    _rule(world, "web", remote_group_id=world.ids["friends"])
    world.mine.update("port", world.ids["port"], security_groups=[world.ids["web"]])


def _rule_goes(world: World) -> None:
    world.mine.delete("security_group_rule", world.ids["rule"])


def _remote_group_goes(world: World) -> None:
    world.mine.delete("security_group", world.ids["friends"])


def _filter_off(world: World) -> None:
    world.mine.update("port", world.ids["port"], security_groups=[], port_security_enabled=False)


def _pairs(world: World) -> None:
    pairs = [{"ip_address": "10.1.0.200"}, {"ip_address": "192.168.0.0/24"}]
    world.mine.update("port", world.ids["spare"], allowed_address_pairs=pairs)


def _host(world: World) -> None:
    operator = neutron(world.service, admin())
    operator.update("port", world.ids["spare"], binding__host_id="hv2", admin_state_up=False)


def _subnet_changes(world: World) -> None:
    world.mine.update(
        "subnet",
        world.ids["subnet"],
        enable_dhcp=False,
        dns_nameservers=["9.9.9.9"],
        host_routes=[{"destination": "172.16.0.0/12", "nexthop": "10.1.0.9"}],
    )


def _routes(world: World) -> None:
    routes = [{"destination": "172.16.0.0/12", "nexthop": "10.1.0.9"}]
    world.mine.update("router", world.ids["router"], routes=routes, name="r2")


def _address_to_another_port(world: World) -> None:
    (fixed,) = (
        ip
        for ip in world.mine.show("port", world.ids["spare"])["fixed_ips"]
        if "." in ip["ip_address"]
    )
    world.mine.delete("port", world.ids["spare"])
    world.ids["spare"] = world.mine.create(
        "port", network_id=world.ids["network"], fixed_ips=[fixed]
    )["id"]


def _other_way_outside(world: World) -> None:
    world.mine.delete("floatingip", world.ids.pop("floating"))
    other, _ = outside(world.service, "198.51.100.0/24")
    info = {"network_id": other}
    world.mine.update("router", world.ids["router"], external_gateway_info=info)


def _another_host(world: World) -> None:
    with world.service.store.write() as session:
        register(session, "hv3", HostWish(), utc_now())
        kind(world.service).expire(session, utc_now())


def _inside_goes(world: World) -> None:
    _remove_interface(world, port_id=world.ids["inside"])


def _router_goes(world: World) -> None:
    world.mine.update("router", world.ids["router"], routes=[])
    _remove_interface(world, subnet_id=world.ids["subnet"])
    world.mine.delete("router", world.ids["router"])


def _everything_goes(world: World) -> None:
    for kind_ in ("port", "network", "security_group"):
        for row in world.mine.list(kind_, project_id=world.mine.caller.project_id):
            if row["name"] != "default":
                world.mine.delete(kind_, row["id"])


STEPS: list[Callable[[World], None]] = [
    _networks,
    _second_version,
    _ports,
    _router,
    _router_takes_a_port,
    _inner_address,
    _guests_make_addresses,
    _floating_ip,
    _floating_ip_moves,
    _floating_ip_leads_nowhere,
    _groups,
    _rule_goes,
    _remote_group_goes,
    _pairs,
    _filter_off,
    _host,
    _prefix_goes,
    _subnet_changes,
    _routes,
    _address_to_another_port,
    _other_way_outside,
    _another_host,
    _inside_goes,
    _router_goes,
    _everything_goes,
]


def test_every_change_is_told_whole_and_alone(world: World) -> None:
    for step in STEPS:
        step(world)
        world.follow()


def test_all_changes_at_once_come_to_the_same(world: World) -> None:
    for step in STEPS:
        if step is not _everything_goes:
            step(world)
    world.follow()
    _everything_goes(world)
    world.follow()
