"""Stock clients as oracles: openstacksdk and the ``openstack`` command, over loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openstack
import pytest
from openstack.connection import Connection
from openstack.exceptions import BadRequestException, ConflictException, NotFoundException

from freehold.identity import bootstrap
from freehold.store import utc_now
from tests.support.service import build, free_port, serve
from tests.support.stock_client import openstack_lines

PASSWORD = "correct horse"
EXTERNAL = {
    "name": "outside",
    "router:external": True,
    "provider:network_type": "flat",
    "provider:physical_network": "physnet1",
}
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bootstrapped service on loopback with a way outside."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    service = build(tmp_path_factory.mktemp("served"), public_url=base)
    with service.store.write() as session:
        bootstrap(session, admin_password=PASSWORD, region="local", public_url=base, now=utc_now())
    with serve(service, port) as served:
        with _connect(served) as cloud:
            network = cloud.network.create_network(**EXTERNAL)
            cloud.network.create_subnet(
                network_id=network.id, ip_version=4, cidr="203.0.113.0/24", enable_dhcp=False
            )
        yield served
    service.store.close()


def _connect(url: str) -> Connection:
    auth = {
        "auth_url": f"{url}/identity",
        "username": "admin",
        "password": PASSWORD,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "project_name": "admin",
    }
    return openstack.connect(load_yaml_config=False, load_envvars=False, auth=auth)


def _openstack(url: str, *lines: str) -> list[Any]:
    """Commands of the stock client as the admin; gives the JSON that each printed."""
    return openstack_lines(url, PASSWORD, *lines)


def test_the_openstack_command_builds_a_network_with_a_way_outside(url: str) -> None:
    network, subnet, made, port, group, rule, floating = _openstack(
        url,
        "network create --description words --enable-port-security --tag blue n1 -f json",
        "subnet create --network n1 --subnet-range 10.0.0.0/24 --dns-nameserver 9.9.9.9"
        " --allocation-pool start=10.0.0.10,end=10.0.0.20"
        " --host-route destination=10.9.0.0/16,gateway=10.0.0.9 s1 -f json",
        "router create --centralized --no-ha r1 -f json",
        "router set --external-gateway outside r1",
        "router add subnet r1 s1",
        "port create --network n1 --fixed-ip subnet=s1,ip-address=10.0.0.15"
        " --allowed-address ip-address=10.0.0.99 p1 -f json",
        "security group create --stateless g1 -f json",
        "security group rule create --protocol tcp --dst-port 22 --remote-ip 0.0.0.0/0 g1 -f json",
        "floating ip create --port p1 outside -f json",
    )
    assert (network["name"], network["status"], network["tags"]) == ("n1", "ACTIVE", ["blue"])
    assert subnet["allocation_pools"] == [{"start": "10.0.0.10", "end": "10.0.0.20"}]
    assert made["external_gateway_info"] is None
    assert port["fixed_ips"][0]["ip_address"] == "10.0.0.15"
    assert group["stateful"] is False
    assert (rule["port_range_min"], rule["remote_ip_prefix"]) == (22, "0.0.0.0/0")
    assert floating["fixed_ip_address"] == "10.0.0.15"
    router, shown, tagged, ports, listed = _openstack(
        url,
        "router set --route destination=10.8.0.0/16,gateway=10.0.0.12 r1",
        "router show r1 -f json",
        "network show n1 -f json",
        "network list --tags blue -f json",
        "port list --fixed-ip subnet=s1,ip-address=10.0.0.15 -f json",
        "floating ip list -f json",
    )
    assert router["routes"] == [{"destination": "10.8.0.0/16", "nexthop": "10.0.0.12"}]
    assert [one["subnet_id"] for one in router["interfaces_info"]] == [subnet["id"]]
    assert shown["subnets"] == [subnet["id"]]
    assert [row["Name"] for row in tagged] == ["n1"]
    assert [row["Name"] for row in ports] == ["p1"]
    assert [row["Fixed IP Address"] for row in listed] == ["10.0.0.15"]


def test_the_openstack_command_changes_and_clears_a_network(url: str) -> None:
    _, _, changed, _, port, _, red, gone = _openstack(
        url,
        "network create n2 -f json",
        "network set --name n2b --no-share --no-qos-policy n2",
        "network set --tag red n2b",
        "subnet create --network n2b --subnet-range 10.2.0.0/24 s2 -f json",
        "subnet set --no-allocation-pool --allocation-pool start=10.2.0.9,end=10.2.0.9 s2",
        "subnet set --gateway 10.2.0.2 --no-dns-nameservers --dns-nameserver 1.1.1.1 s2",
        "subnet show s2 -f json",
        "port create --network n2b --disable-port-security --no-security-group p2 -f json",
        "port set --no-fixed-ip --fixed-ip subnet=s2 p2",
        "port show p2 -f json",
        "router create r2 -f json",
        "router set --external-gateway outside r2",
        "router unset --external-gateway r2",
        "network list --any-tags red,green -f json",
        "network unset --tag red n2b",
        "router delete r2",
        "port delete p2",
        "network delete n2b",
        "network list --name n2b -f json",
    )
    assert (changed["gateway_ip"], changed["dns_nameservers"]) == ("10.2.0.2", ["1.1.1.1"])
    assert port["fixed_ips"][0]["ip_address"] == "10.2.0.9"
    assert (port["port_security_enabled"], port["security_group_ids"]) == (False, [])
    assert [row["Name"] for row in red] == ["n2b"]
    assert gone == []


def test_the_openstack_command_reads_quotas_and_what_is_here(url: str) -> None:
    quota, usage, aliases, agents, providers, pools = _openstack(
        url,
        "quota set --networks 77 --force admin",
        "quota show --network -f json",
        "quota show --usage --network admin -f json",
        "extension list --network -f json",
        "network agent list -f json",
        "network service provider list -f json",
        "subnet pool list -f json",
    )
    assert {row["Resource"]: row["Limit"] for row in quota}["networks"] == 77
    assert {row["Resource"]: row["Limit"] for row in usage}["networks"] == 77
    assert {row["Alias"] for row in aliases} >= {"router", "standard-attr-tag"}
    assert agents == providers == pools == []


def test_the_sdk_pages_filters_and_tells_errors_apart(url: str) -> None:
    with _connect(url) as cloud:
        network = cloud.network.create_network(name="sdk", is_shared=False)
        subnet = cloud.network.create_subnet(
            network_id=network.id, ip_version=4, cidr="10.3.0.0/24", name="sdk"
        )
        made = {cloud.network.create_port(network_id=network.id).id for _ in range(5)}
        assert {port.id for port in cloud.network.ports(network_id=network.id, limit=2)} == made
        assert cloud.network.find_subnet("sdk").id == subnet.id
        assert list(cloud.network.availability_zones()) == []
        with pytest.raises(ConflictException):
            cloud.network.delete_network(network)
        with pytest.raises(BadRequestException):
            cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.3.0.0/25")
        bulk = cloud.network.create_ports([{"network_id": network.id, "name": n} for n in "ab"])
        assert {port.name for port in bulk} == {"a", "b"}
        for port in cloud.network.ports(network_id=network.id):
            cloud.network.delete_port(port)
        cloud.network.delete_network(network)
        with pytest.raises(NotFoundException):
            cloud.network.get_network(network.id)


def test_what_an_absent_extension_would_do_is_refused_by_name(url: str) -> None:
    with _connect(url) as cloud:
        with pytest.raises(BadRequestException, match="ha"):
            cloud.network.create_router(name="x", is_ha=True)
        with pytest.raises(BadRequestException, match="availability_zone_hints"):
            cloud.network.create_network(name="x", availability_zone_hints=["az1"])


def test_the_sdk_cuts_a_subnet_from_a_pool_and_lets_guests_make_addresses(url: str) -> None:
    with _connect(url) as cloud:
        pool = cloud.network.create_subnet_pool(
            name="sdk", prefixes=["10.60.0.0/16"], default_prefix_length=24
        )
        network = cloud.network.create_network(name="sdk pool")
        subnet = cloud.network.create_subnet(
            network_id=network.id, ip_version=4, subnet_pool_id=pool.id
        )
        assert (subnet.cidr, subnet.subnet_pool_id) == ("10.60.0.0/24", pool.id)
        slaac = cloud.network.create_subnet(
            network_id=network.id,
            ip_version=6,
            cidr="fd00:60::/64",
            ipv6_ra_mode="slaac",
            ipv6_address_mode="slaac",
        )
        port = cloud.network.create_port(network_id=network.id)
        assert {fixed["subnet_id"] for fixed in port.fixed_ips} == {subnet.id, slaac.id}
        cloud.network.delete_port(port)
        cloud.network.delete_network(network)
        cloud.network.delete_subnet_pool(pool)
        assert cloud.network.find_subnet_pool(pool.id) is None
