"""What the compute room is offered: plug a server in, see its ports, take it out."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import event

from freehold.access import Caller
from freehold.errors import BadRequest, Conflict, Forbidden, NotFound, QuotaExceeded
from freehold.network import PortView, PortWish, plug, ports_bound, ports_of, unplug
from freehold.store import new_id, utc_now
from tests.api.network.machine import converge, told
from tests.api.network.neutron import Neutron, neutron, outside
from tests.support.service import Service, admin, enrol


@pytest.fixture
def mine(service: Service) -> Neutron:
    return neutron(service)


def _plug(
    service: Service,
    caller: Caller,
    *wishes: PortWish,
    server_id: str = "",
    auto: bool = False,
    groups: list[str] | None = None,
) -> list[PortView]:
    with service.store.write() as session:
        return plug(
            session,
            caller,
            partial(service.app.state.access.allows, caller),
            server_id or new_id(),
            str(caller.project_id),
            "hv1",
            None if auto else wishes,
            groups,
            utc_now(),
        )


def test_a_server_on_a_network_gets_a_port_of_its_own(service: Service, mine: Neutron) -> None:
    network, subnet = mine.network(name="blue")
    (view,) = _plug(service, mine.caller, PortWish(network_id=network, fixed_ip="10.0.0.9"))
    assert (view.network_name, view.mtu, view.bound) == ("blue", 1450, False)
    (fixed,) = view.fixed_ips
    assert (fixed.address, fixed.version, fixed.subnet_id) == ("10.0.0.9", 4, subnet)
    assert (fixed.subnet.cidr, fixed.subnet.gateway_ip) == ("10.0.0.0/24", "10.0.0.1")
    assert [group.name for group in view.security_groups] == ["default"]
    port = neutron(service, admin()).show("port", view.id)
    assert port["device_owner"] == "compute:nova"
    assert port["binding:host_id"] == "hv1"


def test_without_a_wish_the_only_network_is_taken(service: Service, mine: Neutron) -> None:
    assert _plug(service, mine.caller, auto=True) == []
    network, _ = mine.network()
    (view,) = _plug(service, mine.caller, auto=True)
    assert view.network_id == network
    mine.network("10.0.1.0/24")
    with pytest.raises(Conflict, match="Multiple possible networks"):
        _plug(service, mine.caller, auto=True)


def test_who_shares_a_network_chooses_the_addresses_on_it(alone: Service) -> None:
    network, _ = neutron(alone, admin()).network(shared=True)
    caller = neutron(alone).caller
    with pytest.raises(Forbidden, match="create_port:fixed_ips:ip_address"):
        _plug(alone, caller, PortWish(network_id=network, fixed_ip="10.0.0.9"))
    (view,) = _plug(alone, caller, PortWish(network_id=network))
    assert view.network_id == network


def test_a_brought_port_is_freed_and_a_made_one_goes(service: Service, mine: Neutron) -> None:
    network, _ = mine.network()
    brought = mine.create("port", network_id=network)["id"]
    server = new_id()
    wishes = (PortWish(port_id=brought), PortWish(network_id=network))
    views = _plug(service, mine.caller, *wishes, server_id=server)
    made = next(view.id for view in views if view.id != brought)
    with service.store.write() as session:
        ports_bound(session, {brought: True, made: True}, utc_now())
    assert mine.show("port", brought)["status"] == "ACTIVE"
    with service.store.write() as session:
        unplug(session, server, utc_now())
    mine.refused(404, "GET", f"/ports/{made}")
    port = mine.show("port", brought)
    assert (port["device_id"], port["device_owner"], port["status"]) == ("", "", "DOWN")
    with service.store.read() as session:
        assert ports_of(session, [server]) == {}


def test_a_port_is_plugged_into_one_server(service: Service, mine: Neutron) -> None:
    network, _ = mine.network()
    port = mine.create("port", network_id=network)["id"]
    _plug(service, mine.caller, PortWish(port_id=port))
    with pytest.raises(Conflict, match="in use"):
        _plug(service, mine.caller, PortWish(port_id=port))


def test_a_plugged_port_stays_what_it_is(service: Service, mine: Neutron) -> None:
    network, _ = mine.network()
    (view,) = _plug(service, mine.caller, PortWish(network_id=network))
    for change in ({"device_id": ""}, {"device_owner": "me"}):
        mine.refused(409, "PUT", f"/ports/{view.id}", {"port": change})
    mine.update("port", view.id, name="eth0")
    mine.delete("port", view.id)


def test_what_a_tenant_writes_as_device_plugs_nothing(service: Service, mine: Neutron) -> None:
    network, _ = mine.network()
    server = new_id()
    (view,) = _plug(service, mine.caller, PortWish(network_id=network), server_id=server)
    other = neutron(service)
    theirs, _ = other.network()
    other.create("port", network_id=theirs, device_id=server, device_owner="compute:nova")
    with service.store.read() as session:
        assert [port.id for port in ports_of(session, [server])[server]] == [view.id]


def test_what_belongs_to_others_cannot_be_plugged(service: Service, mine: Neutron) -> None:
    other = neutron(service)
    network, _ = other.network()
    port = other.create("port", network_id=network)["id"]
    for wish in (PortWish(network_id=network), PortWish(port_id=port)):
        with pytest.raises(NotFound):
            _plug(service, mine.caller, wish)
    with pytest.raises(NotFound):
        _plug(service, mine.caller, PortWish(network_id=outside(service)[0]))
    with pytest.raises(BadRequest, match="another project"):
        _plug(service, admin(), PortWish(port_id=port))


def test_groups_are_named_and_must_be_known(service: Service, mine: Neutron) -> None:
    network, _ = mine.network()
    group = mine.create("security_group", name="web")["id"]
    for named in ("web", group):
        (view,) = _plug(service, mine.caller, PortWish(network_id=network), groups=[named])
        assert [shown.id for shown in view.security_groups] == [group]
    mine.create("security_group", name="web")
    for named in ("web", "unknown"):
        with pytest.raises(BadRequest, match=named):
            _plug(service, mine.caller, PortWish(network_id=network), groups=[named])


def test_a_network_without_subnet_is_no_place_for_a_server(service: Service, mine: Neutron) -> None:
    network, _ = mine.network(None)
    with pytest.raises(BadRequest, match="requires a subnet"):
        _plug(service, mine.caller, PortWish(network_id=network))


def test_ports_of_servers_count_for_quota(service: Service, mine: Neutron) -> None:
    network, _ = mine.network()
    enrol(service, mine.caller)
    operator = neutron(service, admin())
    operator.update("quota", str(mine.caller.project_id), port=1)
    _plug(service, mine.caller, PortWish(network_id=network))
    with pytest.raises(QuotaExceeded):
        _plug(service, mine.caller, PortWish(network_id=network))


def test_a_floating_ip_is_seen_with_its_server(service: Service, mine: Neutron) -> None:
    external, _ = outside(service)
    network, subnet = mine.network()
    router = mine.create("router", external_gateway_info={"network_id": external})["id"]
    mine.add(router, subnet_id=subnet)
    server = new_id()
    (view,) = _plug(service, mine.caller, PortWish(network_id=network), server_id=server)
    floating = mine.create("floatingip", floating_network_id=external, port_id=view.id)
    with service.store.read() as session:
        (seen,) = ports_of(session, [server])[server]
    assert seen.floating_ips == [floating["floating_ip_address"]]


def test_ports_of_many_servers_are_read_in_as_many_queries_as_of_one(
    service: Service, mine: Neutron
) -> None:
    network, _ = mine.network()
    servers = [new_id() for _ in range(20)]
    for server in servers:
        _plug(service, mine.caller, PortWish(network_id=network), server_id=server)
    counts = []
    statements: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(service.store.engine, "before_cursor_execute", count)
    try:
        for asked in (servers[:1], servers):
            statements.clear()
            with service.store.read() as session:
                assert len(ports_of(session, asked)) == len(asked)
            counts.append(len(statements))
    finally:
        event.remove(service.store.engine, "before_cursor_execute", count)
    assert counts[0] == counts[1]


def test_the_machine_hears_of_plugging_and_unplugging(alone: Service) -> None:
    mine = neutron(alone)
    network, _ = mine.network()
    brought = mine.create("port", network_id=network)["id"]
    converge(alone)
    server = new_id()
    _plug(alone, mine.caller, PortWish(port_id=brought), server_id=server)
    assert told(alone, "ports")[brought]["host"] == "hv1"
    converge(alone)
    with alone.store.write() as session:
        unplug(session, server, utc_now())
    assert told(alone, "ports")[brought]["host"] is None
