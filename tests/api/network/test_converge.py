"""What is: results come back into rows, removed rows go, late ones say why."""

from __future__ import annotations

from datetime import timedelta

import pytest

from freehold.jobs import Fault
from freehold.network import ports_bound
from freehold.store import utc_now
from tests.api.network.machine import answer, converge, document, done, kind, told
from tests.api.network.neutron import Neutron, neutron, outside
from tests.support.service import Service, admin

LATER = {"code": "BUSY", "message": "come again", "retry": "later"}
NEVER = {"code": "INVALID", "message": "that cannot be", "retry": "never"}


@pytest.fixture
def mine(alone: Service) -> Neutron:
    return neutron(alone)


def test_a_floating_ip_is_active_when_the_machine_says_so(alone: Service, mine: Neutron) -> None:
    external, _ = outside(alone)
    network, subnet = mine.network()
    router = mine.create("router", external_gateway_info={"network_id": external})["id"]
    mine.add(router, subnet_id=subnet)
    port = mine.create("port", network_id=network)["id"]
    floating = mine.create("floatingip", floating_network_id=external)["id"]
    assert floating not in told(alone, "floating_ips")
    mine.update("floatingip", floating, port_id=port)
    assert mine.show("floatingip", floating)["status"] == "DOWN"
    converge(alone)
    assert mine.show("floatingip", floating)["status"] == "ACTIVE"
    mine.update("floatingip", floating, port_id=None)
    converge(alone)
    assert mine.show("floatingip", floating)["status"] == "DOWN"


def test_a_port_is_up_when_its_host_has_bound_it(alone: Service, mine: Neutron) -> None:
    network, _ = mine.network()
    port = mine.create("port", network_id=network)["id"]
    for bound, status in ((True, "ACTIVE"), (False, "DOWN")):
        with alone.store.write() as session:
            ports_bound(session, {port: bound, "unknown": True}, utc_now())
        assert mine.show("port", port)["status"] == status


def test_an_answer_about_an_older_wish_settles_nothing(alone: Service, mine: Neutron) -> None:
    network = mine.create("network", name="one")["id"]
    old = told(alone, "networks")[network]
    mine.update("network", network, name="two")
    assert answer(alone, done(old, "networks"))
    assert told(alone, "networks")[network]["name"] == "two"


def test_a_removed_row_is_hidden_at_once_and_goes_when_the_machine_says_so(
    alone: Service, mine: Neutron
) -> None:
    network, _ = mine.network()
    converge(alone)
    mine.delete("network", network)
    mine.refused(404, "GET", f"/networks/{network}")
    mine.refused(404, "DELETE", f"/networks/{network}")
    assert mine.list("subnet") == []
    entry = told(alone, "networks")[network]
    assert not answer(alone, done(entry, "networks"))  # its subnet is still there
    assert network in told(alone, "networks")
    assert converge(alone)
    assert document(alone) is None


def test_a_wish_that_cannot_be_is_a_fault_until_it_changes(alone: Service, mine: Neutron) -> None:
    network = mine.create("network", name="one")["id"]
    entry = told(alone, "networks")[network]
    assert answer(alone, done(entry, "networks", outcome="failed", error=NEVER))
    assert mine.show("network", network)["status"] == "ERROR"
    assert mine.list("network", status="ERROR")[0]["id"] == network
    mine.update("network", network, name="two")
    assert mine.show("network", network)["status"] == "ACTIVE"


def test_what_may_go_well_later_is_tried_again(alone: Service, mine: Neutron) -> None:
    network = mine.create("network")["id"]
    entry = told(alone, "networks")[network]
    assert not answer(alone, done(entry, "networks", outcome="failed", error=LATER))
    assert network in told(alone, "networks")
    assert converge(alone)
    assert mine.show("network", network)["status"] == "ACTIVE"


def test_a_failed_look_at_what_is_settled_is_no_fault(alone: Service, mine: Neutron) -> None:
    network = mine.create("network")["id"]
    entry = told(alone, "networks")[network]
    converge(alone)
    assert answer(alone, done(entry, "networks", outcome="failed", error=LATER))
    assert mine.show("network", network)["status"] == "ACTIVE"


def test_a_late_row_says_why_and_is_still_brought_about(alone: Service, mine: Neutron) -> None:
    network = mine.create("network")["id"]
    now = utc_now()
    unreachable = Fault(code="RUN_FAILED", message="control did not answer", at=now)
    with alone.store.write() as session:
        kind(alone).failed(session, "ovn", unreachable, now)
        kind(alone).expire(session, now)
    assert mine.show("network", network)["status"] == "ACTIVE"
    with alone.store.write() as session:
        kind(alone).expire(session, now + timedelta(seconds=121))
    assert mine.show("network", network)["status"] == "ERROR"
    from freehold.network.network import Network

    with alone.store.read() as session:
        fault = session.get_one(Network, network).fault
    assert fault is not None
    assert "control did not answer" in fault["message"]
    assert converge(alone)
    assert mine.show("network", network)["status"] == "ACTIVE"


def test_an_address_is_free_at_once_and_its_old_port_goes_in_the_same_document(
    alone: Service, mine: Neutron
) -> None:
    network, _ = mine.network()
    wish = [{"ip_address": "10.0.0.77"}]
    old = mine.create("port", network_id=network, fixed_ips=wish)["id"]
    converge(alone)
    mine.delete("port", old)
    new = mine.create("port", network_id=network, fixed_ips=wish)["id"]
    states = {id_: entry["state"] for id_, entry in told(alone, "ports").items()}
    assert states == {old: "removed", new: "present"}


def test_a_port_that_a_router_takes_over_is_the_routers(alone: Service, mine: Neutron) -> None:
    network, _ = mine.network()
    port = mine.create("port", network_id=network)["id"]
    converge(alone)
    router = mine.create("router")["id"]
    mine.add(router, port_id=port)
    assert told(alone, "ports") == {}
    assert told(alone, "routers")[router]["interfaces"][0]["port_id"] == port
    operator = neutron(alone, admin())
    assert operator.show("port", port)["status"] == "ACTIVE"
