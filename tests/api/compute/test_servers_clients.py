"""openstacksdk and the ``openstack`` command as oracles for servers.

A thread stands for the hosts: it answers each document as a host does when everything goes well.
The real ones are in the tests under ``tests/e2e``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import openstack
import pytest
from openstack.connection import Connection
from openstack.exceptions import ConflictException, NotFoundException

from freehold.identity import bootstrap
from freehold.jobs import Question
from freehold.store import utc_now
from tests.api.compute.cloud import Cloud, make
from tests.support.service import build, free_port, serve
from tests.support.stock_client import openstack_lines

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]
PASSWORD = "correct horse"


@dataclass
class Served:
    """A cloud on loopback with hosts that answer."""

    url: str
    cloud: Cloud


@contextmanager
def _hosts_answer(cloud: Cloud) -> Iterator[None]:
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.02):
            cloud.converge("hv1")
            cloud.converge("hv2")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for the module."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    service = build(tmp_path_factory.mktemp("served"), public_url=url)
    with service.store.write() as session:
        bootstrap(
            session, admin_password=PASSWORD, region="RegionOne", public_url=url, now=utc_now()
        )

    def ask(question: Question) -> dict[str, Any]:
        return {"output": f"console of {question.variables['freehold_server_id']}\n"}

    service.app.state.ask = ask
    cloud = make(service, hosts=2, networked=False)
    with serve(service, port), _hosts_answer(cloud):
        yield Served(url, cloud)
    service.store.close()


@pytest.fixture
def admin(served: Served) -> Iterator[Connection]:
    """The operator in the project that the bootstrap made."""
    auth = {
        "auth_url": f"{served.url}/identity",
        "username": "admin",
        "password": PASSWORD,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "project_name": "admin",
    }
    with openstack.connect(
        load_yaml_config=False, load_envvars=False, auth=auth, compute_default_microversion="2.96"
    ) as connection:
        yield connection


def _wait(admin: Connection, server_id: str, status: str) -> None:
    # Fetched anew: the SDK believes the status of an object that it already has.
    server = admin.compute.get_server(server_id)
    admin.compute.wait_for_server(server, status=status, wait=10, interval=0.05)


def test_the_sdk_runs_a_server_through_its_life(admin: Connection, served: Served) -> None:
    network = admin.network.create_network(name="sdk")
    admin.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.9.0.0/24")
    created = admin.compute.create_server(
        name="sdk-1",
        image_id=served.cloud.image_id,
        flavor_id=served.cloud.flavor_id,
        networks=[{"uuid": network.id}],
        metadata={"a": "b"},
        tags=["x"],
    )
    assert created.admin_password
    server = admin.compute.wait_for_server(created, wait=10, interval=0.05)
    assert (server.status, server.vm_state, server.power_state) == ("ACTIVE", "active", 1)
    assert server.addresses["sdk"][0]["addr"].startswith("10.9.0.")
    assert server.flavor.original_name == "small"
    assert server.hypervisor_hostname in ("hv1", "hv2")
    with pytest.raises(ConflictException, match="vm_state active"):
        admin.compute.start_server(server)
    admin.compute.stop_server(server)
    _wait(admin, server.id, "SHUTOFF")
    admin.compute.start_server(server)
    _wait(admin, server.id, "ACTIVE")
    for kind in ("SOFT", "HARD"):
        admin.compute.reboot_server(server, kind)
        _wait(admin, server.id, "ACTIVE")
    assert admin.compute.get_server_console_output(server, 5)["output"].startswith("console of")
    admin.compute.set_server_metadata(server, c="d")
    assert admin.compute.get_server(server).metadata == {"a": "b", "c": "d"}
    admin.compute.update_server(server, name="sdk-2", description="new")
    found = admin.compute.find_server("sdk-2")
    assert found.id == server.id
    assert [s.id for s in admin.compute.servers(status="ACTIVE", name="^sdk")] == [server.id]
    assert [i.net_id for i in admin.compute.server_interfaces(server)] == [network.id]
    assert {a.action for a in admin.compute.server_actions(server)} >= {"create", "stop", "reboot"}
    admin.compute.delete_server(server)
    admin.compute.wait_for_delete(server, wait=10, interval=0.05)
    with pytest.raises(NotFoundException):
        admin.compute.get_server(server)


def test_the_sdk_pages_through_servers(admin: Connection, served: Served) -> None:
    for number in range(3):
        admin.compute.create_server(
            name=f"page-{number}",
            image_id=served.cloud.image_id,
            flavor_id=served.cloud.flavor_id,
            networks="none",
        )
    found = [server.name for server in admin.compute.servers(limit=1, name="page")]
    assert sorted(found) == ["page-0", "page-1", "page-2"]
    for server in admin.compute.servers(name="page"):
        admin.compute.delete_server(server)


def test_the_openstack_command_changes_interfaces(served: Served) -> None:
    ports, fixed, kept = _openstack(
        served.url,
        "network create nic1",
        "subnet create --network nic1 --subnet-range 10.6.0.0/24 nic1",
        "network create nic2",
        "subnet create --network nic2 --subnet-range 10.7.0.0/24 nic2",
        "port create --network nic2 mine",
        "server create --image tiny --flavor small --network nic1 --wait nics",
        "server add network nics nic2",
        "server add port nics mine",
        "server add fixed ip --fixed-ip-address 10.6.0.66 --tag third nics nic1",
        "port list --server nics -f json",
        "server show nics -f json",
        "server remove port nics mine",
        "server remove network nics nic2",
        "port list --server nics -f json",
        "port show mine",
        "server delete --wait nics",
    )
    assert len(ports) == 4
    assert fixed["addresses"]["nic1"][-1] == "10.6.0.66"
    assert len(fixed["addresses"]["nic2"]) == 2
    assert len(kept) == 2


def _openstack(url: str, *lines: str) -> list[Any]:
    """Commands of the stock client as the admin; gives the JSON that each printed."""
    return openstack_lines(url, PASSWORD, *lines)


def test_the_openstack_command_runs_the_story(served: Served) -> None:
    created, listed, shown, gone = _openstack(
        served.url,
        "network create cli",
        "subnet create --network cli --subnet-range 10.8.0.0/24 cli",
        "server create --image tiny --flavor small --network cli --property a=b --wait "
        "-f json cli-1",
        "server list -f json --name cli-1",
        "console log show cli-1",
        "server reboot --hard --wait cli-1",
        "server stop cli-1",
        "server show -f json cli-1",
        "server delete --wait cli-1",
        "server list -f json --name cli",
    )
    assert (created["status"], created["properties"]) == ("ACTIVE", {"a": "b"})
    assert (listed[0]["Name"], listed[0]["Image"], listed[0]["Flavor"]) == (
        *("cli-1", "tiny", "small"),
    )
    assert shown["OS-EXT-STS:task_state"] in ("powering-off", None)
    assert gone == []
