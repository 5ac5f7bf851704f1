"""What the service tells the logical network's module, and what it does with the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from freehold.jobs import Fault, Result, Scope
from freehold.jobs.document import envelope
from freehold.network.target import target_kind
from freehold.store import utc_now
from tests.api.network.neutron import Neutron, neutron, outside
from tests.support.service import Service, admin

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "docs/reference/documents/network.schema.json").read_text()
)
TYPES = {"networks", "subnets", "security_groups", "ports", "routers", "floating_ips"}
KIND = target_kind()


@pytest.fixture
def service(alone: Service) -> Service:
    """Documents are about the whole cloud, so each test has one of its own."""
    return alone


@dataclass
class Machine:
    """The target ``network/ovn`` with a machine whose answers the test makes up."""

    service: Service

    def document(self, scope: Scope = Scope.CHANGES) -> dict[str, Any] | None:
        """What is wanted, checked against the contract."""
        with self.service.store.read() as session:
            body = KIND.document(session, "ovn", scope, utc_now())
        if body is not None:
            whole = envelope("network", "ovn", scope.value, body)
            jsonschema.validate(whole, SCHEMA)
            assert set(body) >= TYPES
        return body

    def answer(self, body: dict[str, Any], outcome: str = "changed", retry: str = "later") -> bool:
        """Answer for all of a document; whether everything is settled."""
        error = {"code": "OVSDB", "message": "no such column", "retry": retry}
        resources = [
            {
                "type": name.removesuffix("s"),
                "id": entry["id"],
                "generation": entry["generation"],
                "outcome": outcome,
                "found": {"present": entry["state"] == "present"},
                "steps": [],
                "error": error if outcome == "failed" else None,
            }
            for name in TYPES
            for entry in body[name]
        ]
        result = Result.model_validate(
            {
                "format": 1,
                "target": {"kind": "network", "name": "ovn"},
                "check": False,
                "changed": True,
                "resources": resources,
                "unknown": [],
                "facts": {},
            }
        )
        with self.service.store.write() as session:
            return KIND.write_back(session, "ovn", result, utc_now())

    def follow(self) -> None:
        """Run until nothing is wanted."""
        for _ in range(5):
            if (body := self.document()) is None:
                return
            self.answer(body)
        raise AssertionError("the network does not settle")

    def expire(self, now: datetime) -> None:
        """The clock passes; nobody answered."""
        with self.service.store.write() as session:
            KIND.expire(session, now)

    def fail(self, now: datetime) -> None:
        """The run as a whole failed."""
        with self.service.store.write() as session:
            KIND.failed(session, "ovn", Fault(code="UNREACHABLE", message="no route", at=now), now)


@pytest.fixture
def machine(service: Service) -> Machine:
    return Machine(service)


@pytest.fixture
def mine(service: Service) -> Neutron:
    return neutron(service)


def _everything(service: Service, mine: Neutron) -> dict[str, str]:
    """One of each kind, connected; ids by kind."""
    external, _ = outside(service)
    network, subnet = mine.network("10.0.0.0/24")
    router = mine.create("router", external_gateway_info={"network_id": external})["id"]
    interface = mine.add(router, subnet_id=subnet)["port_id"]
    group = mine.create("security_group", name="web")["id"]
    mine.create(
        "security_group_rule",
        security_group_id=group,
        direction="ingress",
        protocol="tcp",
        port_range_min=22,
        port_range_max=22,
    )
    port = mine.create("port", network_id=network, security_groups=[group])["id"]
    floating = mine.create("floatingip", floating_network_id=external, port_id=port)["id"]
    return {
        "network": network,
        "subnet": subnet,
        "router": router,
        "interface": interface,
        "security_group": group,
        "port": port,
        "floatingip": floating,
    }


def _ids(body: dict[str, Any] | None, name: str) -> set[str]:
    return {entry["id"] for entry in (body or {name: []})[name]}


def test_every_kind_of_row_is_written_once_and_then_no_more(
    service: Service, machine: Machine, mine: Neutron
) -> None:
    made = _everything(service, mine)
    body = machine.document()
    assert body is not None
    assert made["port"] in _ids(body, "ports")
    assert made["interface"] not in _ids(body, "ports")
    (router,) = body["routers"]
    assert [one["addresses"] for one in router["interfaces"]] == [["10.0.0.1/24"]]
    assert router["gateway"]["snat_cidrs"] == ["10.0.0.0/24"]
    (floating,) = body["floating_ips"]
    assert (floating["port_id"], floating["router_id"]) == (made["port"], made["router"])
    assert machine.answer(body) is True
    assert machine.document() is None
    assert mine.show("floatingip", made["floatingip"])["status"] == "ACTIVE"


def test_all_carries_what_is_settled_too(service: Service, machine: Machine, mine: Neutron) -> None:
    _everything(service, mine)
    first = machine.document()
    machine.follow()
    whole = machine.document(Scope.ALL)
    for name in TYPES:
        assert _ids(whole, name) == _ids(first, name)


def test_a_change_of_one_port_carries_that_port_alone(
    service: Service, machine: Machine, mine: Neutron
) -> None:
    made = _everything(service, mine)
    machine.follow()
    mine.update("port", made["port"], admin_state_up=False)
    body = machine.document()
    assert {name: len(_ids(body, name)) for name in TYPES} == dict.fromkeys(TYPES, 0) | {"ports": 1}


def test_a_change_that_no_machine_sees_asks_none(
    service: Service, machine: Machine, mine: Neutron
) -> None:
    made = _everything(service, mine)
    machine.follow()
    mine.update("port", made["port"], name="other", description="words")
    assert machine.document() is None


def test_removed_rows_go_when_the_machine_says_so(
    service: Service, machine: Machine, mine: Neutron
) -> None:
    made = _everything(service, mine)
    machine.follow()
    mine.delete("floatingip", made["floatingip"])
    mine.call(
        "PUT", f"/routers/{made['router']}/remove_router_interface", {"subnet_id": made["subnet"]}
    )
    for kind in ("router", "port", "security_group", "network"):
        mine.delete(kind, made[kind])
    body = machine.document()
    assert body is not None
    gone = {entry["id"] for name in TYPES for entry in body[name]}
    assert gone == {made[kind] for kind in made if kind != "interface"}
    assert all(entry["state"] == "removed" for name in TYPES for entry in body[name])
    machine.follow()
    whole = machine.document(Scope.ALL)
    assert whole is not None
    assert not gone & {entry["id"] for name in TYPES for entry in whole[name]}


def test_a_network_waits_for_a_port_that_cannot_be_removed_yet(
    machine: Machine, mine: Neutron
) -> None:
    network, _ = mine.network()
    port = mine.create("port", network_id=network)["id"]
    machine.follow()
    mine.delete("port", port)
    mine.delete("network", network)
    body = machine.document()
    assert body is not None
    kept, body["ports"] = body["ports"], []
    assert machine.answer(body) is False
    body = machine.document()
    assert _ids(body, "ports") == {kept[0]["id"]}
    assert _ids(body, "networks") == {network}
    machine.follow()
    assert network not in _ids(machine.document(Scope.ALL), "networks")


def test_an_answer_about_an_older_wish_settles_nothing(machine: Machine, mine: Neutron) -> None:
    network, _ = mine.network()
    old = machine.document()
    assert old is not None
    mine.update("network", network, name="newer")
    assert machine.answer(old) is True  # the newer wish has made the target due by itself
    assert _ids(machine.document(), "networks") == {network}


def test_pending_is_asked_again_and_is_no_fault(machine: Machine, mine: Neutron) -> None:
    network, _ = mine.network()
    body = machine.document()
    assert body is not None
    assert machine.answer(body, "pending") is False
    assert machine.document() is not None
    assert mine.show("network", network)["status"] == "ACTIVE"


def test_what_can_never_work_is_an_error_and_is_settled(machine: Machine, mine: Neutron) -> None:
    network, _ = mine.network()
    body = machine.document()
    assert body is not None
    assert machine.answer(body, "failed", retry="never") is True
    assert machine.document() is None
    assert mine.show("network", network)["status"] == "ERROR"
    mine.update("network", network, name="mended")
    machine.follow()
    assert mine.show("network", network)["status"] == "ACTIVE"


@pytest.mark.parametrize("how", ["expire", "fail"])
def test_past_the_deadline_a_row_shows_the_fault_and_is_still_wanted(
    machine: Machine, mine: Neutron, how: str
) -> None:
    network, _ = mine.network()
    getattr(machine, how)(utc_now())
    assert mine.show("network", network)["status"] == "ACTIVE"
    getattr(machine, how)(utc_now() + timedelta(hours=1))
    assert mine.show("network", network)["status"] == "ERROR"
    assert _ids(machine.document(), "networks") == {network}
    machine.follow()
    assert mine.show("network", network)["status"] == "ACTIVE"


def test_a_removal_is_never_given_up(machine: Machine, mine: Neutron) -> None:
    network, _ = mine.network()
    machine.follow()
    mine.delete("network", network)
    machine.expire(utc_now() + timedelta(days=1))
    body = machine.document()
    assert body is not None
    assert machine.answer(body, "failed", retry="never") is False
    assert _ids(machine.document(), "networks") == {network}


HOSTILE = [
    "{{ lookup('pipe', 'touch /tmp/owned') }}",
    "{% for x in y %}{{ x }}{% endfor %}",
    "{# comment #}",
    "!unsafe '\"`$(id)`;--",
    "line\nbreak\r\ttab",
    "ünïcödé \u2028 \U0001f600",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_like_a_template_is_only_a_name(
    service: Service, machine: Machine, mine: Neutron, text: str
) -> None:
    network, _ = mine.network(name=text, description=text)
    group = mine.create("security_group", name=text, description=text)["id"]
    router = mine.create("router", name=text, description=text)["id"]
    port = mine.create("port", network_id=network, name=text, device_id=text)
    assert (port["name"], port["device_id"]) == (text, text)
    body = machine.document()
    assert body is not None
    named = {
        e["id"]: e["name"] for n in ("networks", "security_groups", "routers") for e in body[n]
    }
    assert [named[one] for one in (network, group, router)] == [text] * 3
    assert json.loads(json.dumps(body)) == body


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("network", "name"),
        ("network", "description"),
        ("router", "name"),
        ("security_group", "name"),
        ("network", "project_id"),
    ],
)
def test_text_that_cannot_be_stored_is_refused(
    service: Service, kind: str, field: str, text: str
) -> None:
    operator = neutron(service, admin())
    answer = operator.client.post(
        f"/network/v2.0/{kind.replace('_', '-')}s",
        content=json.dumps({kind: {field: text}}),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("path", ["/ports/a%00b", "/ports?name=a%00b", "/networks/a%00b/tags"])
def test_a_nul_in_a_url_is_no_crash(mine: Neutron, path: str) -> None:
    assert mine.client.get(f"/network/v2.0{path}").status_code in (400, 404)
