"""Naming what belongs to others in a body or a query tells nothing of it, not even that it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.isolation.stage import Stage
from tests.api.isolation.table import filled, without_ids

FOREIGN = yaml.safe_load(Path(__file__).with_name("foreign.yml").read_text())
BODIES: list[tuple[str, str, Any]] = [tuple(entry) for entry in FOREIGN["bodies"]]
QUERIES = [(path, query) for path, queries in FOREIGN["queries"].items() for query in queries]
THEIRS = ("project_theirs", "network_theirs", "outside", "flavors")
"""What a stranger may name: their own, and what everybody sees."""


@pytest.fixture(scope="module")
def things(stage: Stage) -> Iterator[dict[str, str]]:
    """The stage's things, and the stranger's own."""

    def make(path: str, **wish: Any) -> str:
        return str(stage.make(path, wish, "stranger")["id"])

    network = stage.things["network_theirs"]
    cidr = {"network_id": network, "cidr": "10.60.0.0/24", "ip_version": 4}
    make("/network/v2.0/subnets", subnet=cidr)
    outside = {"floating_network_id": stage.things["outside"]}
    image = {"name": "mine", "disk_format": "raw", "container_format": "bare"}
    own = {
        "own_user": _user_id(stage),
        "own_port": make("/network/v2.0/ports", port={"network_id": network}),
        "own_router": make("/network/v2.0/routers", router={}),
        "own_group": make("/network/v2.0/security-groups", security_group={"name": "mine"}),
        "own_floating_ip": make("/network/v2.0/floatingips", floatingip=outside),
        "own_image": make("/image/v2/images", **image),
    }
    octets = {"Content-Type": "application/octet-stream"}
    path = f"/image/v2/images/{own['own_image']}/file"
    assert stage.ask("stranger", "PUT", path, content=b"\0", headers=octets).status_code == 204
    server = {"imageRef": own["own_image"], "flavorRef": stage.things["flavors"]}
    wish = server | {"name": "mine", "networks": [{"port": own["own_port"]}]}
    own["own_server"] = make("/compute/v2.1/servers", server=wish)
    stage.converge()
    yield stage.things | own
    stage.restore()


def _user_id(stage: Stage) -> str:
    subject = {"X-Subject-Token": stage.tokens["stranger"]}
    shown = stage.ask("stranger", "GET", "/identity/v3/auth/tokens", headers=subject).json()
    return str(shown["token"]["user"]["id"])


def _unknown(things: dict[str, str]) -> dict[str, str]:
    """The same names with ids that nothing has; the stranger's own and public ones stay."""
    kept = {name for name in things if name.startswith("own_")} | set(THEIRS)
    return {name: id_ if name in kept else without_ids(id_) for name, id_ in things.items()}


def _compare(stage: Stage, asked: list[tuple[str, str, Any]]) -> Any:
    """Ask both; returns the answer, once it is shown to be the same in words and in queries."""
    answers, queries = [], []
    for method, path, body in asked:
        answers.append(stage.ask("stranger", method, path, body))
        queries.append(stage.queries)
    told, nothing = answers
    assert told.status_code == nothing.status_code, (told.text, nothing.text)
    assert without_ids(told.text) == without_ids(nothing.text)
    assert queries[0] == queries[1], "the time would tell"
    return told


@pytest.mark.parametrize(("method", "path", "body"), BODIES)
def test_an_id_of_others_in_a_body_is_an_unknown_id(
    stage: Stage, things: dict[str, str], method: str, path: str, body: Any
) -> None:
    asked = [
        (method, path.format(**names), filled(body, names)) for names in (things, _unknown(things))
    ]
    assert _compare(stage, asked).status_code in (400, 401, 404, 409)


@pytest.mark.parametrize(("path", "query"), QUERIES)
def test_a_filter_or_marker_of_others_finds_nothing(
    stage: Stage, things: dict[str, str], path: str, query: str
) -> None:
    asked = [
        ("GET", f"{path}?{query.format(**names)}", None) for names in (things, _unknown(things))
    ]
    answer = _compare(stage, asked)
    asked_for = asked[0][1]
    told = [word for word in stage.private if word in answer.text and word not in asked_for]
    assert told == []
