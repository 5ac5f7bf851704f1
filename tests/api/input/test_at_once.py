"""Eight callers delete one thing at once: one has done it, the others are told that it is not.

A server is there until its host has let go of it; to delete it again is no mistake, as in nova.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.isolation.stage import Stage

THINGS = {
    "/network/v2.0/networks/{empty_network}": "member",
    "/network/v2.0/subnets/{spare_subnet}": "member",
    "/network/v2.0/ports/{spare_port}": "member",
    "/network/v2.0/routers/{spare_router}": "member",
    "/network/v2.0/floatingips/{floatingips}": "member",
    "/network/v2.0/security-groups/{security-groups}": "member",
    "/network/v2.0/security-group-rules/{security-group-rules}": "member",
    "/image/v2/images/{shared_image}": "member",
    "/compute/v2.1/os-keypairs/owners-own": "member",
    "/compute/v2.1/flavors/{private_flavor}": "admin",
    "/identity/v3/projects/{spare_project}": "admin",
    "/identity/v3/users/{spare_user}": "admin",
    "/identity/v3/groups/{groups}": "admin",
}


@pytest.mark.parametrize("path", THINGS)
def test_one_of_many_deletes_it(stage: Stage, path: str) -> None:
    place = path.format(**stage.things)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: stage.ask(THINGS[path], "DELETE", place), range(8)))
    gone = stage.ask(THINGS[path], "GET", place).status_code
    stage.restore()
    done = 202 if "flavors" in path else 204
    assert Counter(answer.status_code for answer in answers) == {done: 1, 404: 7}
    assert gone == 404


def test_a_server_is_deleted_by_all_who_ask_and_goes_once(stage: Stage) -> None:
    place = f"/compute/v2.1/servers/{stage.things['stopped_server']}"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: stage.ask("member", "DELETE", place), range(8)))
    stage.converge()
    gone = stage.ask("member", "GET", place).status_code
    stage.restore()
    assert Counter(answer.status_code for answer in answers) == {204: 8}
    assert gone == 404
