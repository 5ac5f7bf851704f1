"""The rows of the table: what is asked, by whom, and which row of the baseline it stands beside."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tests.bench.api.cloud import Cloud, login, server_wish
from tests.bench.load import Connection, NothingLeft, Operation

COMPUTE, NETWORK, IDENTITY, IMAGE = "/compute/v2.1", "/network/v2.0", "/identity/v3", "/image/v2"
MANY = 1_000_000
AFRESH = {"Cache-Control": "no-cache"}
MIB = b"\0" * 2**20


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        name: As the table shows it.
        baseline: The key of its figures in baseline.toml; None where there are none.
        project: Whose client asks, None for nobody's.
        clients: How many ask at once, in the left and the right columns.
        most: Operations in one run at most.
        afresh: The same, insisting that it is not answered from memory; None for writes.
    """

    name: str
    operation: Operation
    baseline: str | None = None
    project: str | None = "few"
    clients: tuple[int, int] = (1, 8)
    most: int = MANY
    afresh: Operation | None = None


@dataclass
class _Made:
    """Ids that one row makes and a later one uses up."""

    networks: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)


def _read(name: str, path: str, baseline: str | None, project: str = "few") -> Row:
    return Row(
        name,
        lambda client: client.ask("GET", path),
        baseline,
        project,
        afresh=lambda client: client.ask("GET", path, headers=AFRESH),
    )


def rows(cloud: Cloud) -> Iterator[Row]:
    """All rows, in the order in which they can be measured."""
    few = cloud.projects["few"]
    yield Row("POST /v3/auth/tokens (password)", _password_login, "tokens create", None)
    yield Row(
        "GET /v3/auth/tokens (validate)",
        _validate,
        "tokens validate",
        afresh=lambda client: _validate(client, AFRESH),
    )
    yield _read("GET /v3/projects/{id}", f"{IDENTITY}/projects/{few.id}", "project show")
    yield _read("GET flavors/detail", f"{COMPUTE}/flavors/detail", "flavors detail")
    yield _read("GET os-keypairs", f"{COMPUTE}/os-keypairs", "keypairs list")
    servers, detail = f"{COMPUTE}/servers", f"{COMPUTE}/servers/detail"
    yield _read("GET servers/detail, 100 servers", detail, "servers detail 100", "hundred")
    yield _read("GET servers/detail, 1,000 servers", detail, "servers detail 1000", "thousand")
    yield _read("GET servers, 1,000 servers", servers, "servers list 1000", "thousand")
    yield _read("GET networks (few)", f"{NETWORK}/networks", "networks list")
    yield _read("GET ports (few)", f"{NETWORK}/ports", "ports list")
    yield _read("GET ports, 1,000 ports", f"{NETWORK}/ports", None, "thousand")
    yield _read("GET security-groups", f"{NETWORK}/security-groups", "security groups list")
    yield _read("GET images", f"{IMAGE}/images", "images list")
    yield from _writes(cloud)


def _writes(cloud: Cloud) -> Iterator[Row]:
    made, few = _Made(), cloud.projects["few"]

    def network(client: Connection) -> None:
        wish = {"network": {"name": "bench"}}
        answer = client.ask("POST", f"{NETWORK}/networks", wish, expect=201)
        made.networks.append(answer.json()["network"]["id"])

    def subnet(client: Connection) -> None:
        wish = {"network_id": _taken(made.networks), "cidr": "10.9.0.0/24", "ip_version": 4}
        client.ask("POST", f"{NETWORK}/subnets", {"subnet": wish}, expect=201)

    def port(client: Connection) -> None:
        wish = {"port": {"network_id": few.network_id}}
        answer = client.ask("POST", f"{NETWORK}/ports", wish, expect=201)
        made.ports.append(answer.json()["port"]["id"])

    def no_port(client: Connection) -> None:
        client.ask("DELETE", f"{NETWORK}/ports/{_taken(made.ports)}", expect=204)

    def server(client: Connection) -> None:
        wish = server_wish(few.flavor_id, few.image_id, few.network_id)
        client.ask("POST", f"{COMPUTE}/servers", {"server": wish}, expect=202)

    yield Row("POST network", network, "networks create", most=600)
    yield Row("POST subnet", subnet, "subnets create", most=300)
    yield Row("POST port", port, "ports create", most=600)
    yield Row("DELETE port", no_port, "ports delete", most=300)
    yield Row("image create + 1 MiB upload", _upload(), "image upload", most=60)
    several = (1, 50)
    yield Row("POST servers (202); right: 50 at once", server, "servers create", "few", several, 50)


def _taken(ids: list[str]) -> str:
    try:
        return ids.pop()
    except IndexError:
        raise NothingLeft from None


def _password_login(client: Connection) -> None:
    client.ask("POST", f"{IDENTITY}/auth/tokens", login("few"), expect=201)


def _validate(client: Connection, headers: Mapping[str, str] = MappingProxyType({})) -> None:
    assert client.token is not None
    subject = {"X-Subject-Token": client.token, **headers}
    client.ask("GET", f"{IDENTITY}/auth/tokens", headers=subject)


def _upload() -> Operation:
    numbers = itertools.count()

    def upload(client: Connection) -> None:
        wish = {"name": f"image{next(numbers)}", "disk_format": "raw", "container_format": "bare"}
        image = client.ask("POST", f"{IMAGE}/images", wish, expect=201).json()
        client.ask("PUT", f"{IMAGE}/images/{image['id']}/file", MIB, expect=204)

    return upload
