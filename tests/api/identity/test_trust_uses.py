"""A trust that is counted gives as many tokens as it says, however many ask at once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.api.identity.conftest import Cloud
from tests.api.identity.trusts import TRUSTS, Trusting, is_good, trusting

CALLERS = 8


@pytest.fixture
def demo(cloud: Cloud) -> Trusting:
    return trusting(cloud)


def test_each_token_is_a_use_and_the_last_one_is_still_good(demo: Trusting) -> None:
    one = f"{TRUSTS}/{(made := demo.make(remaining_uses=2))['id']}"
    first = demo.enter(made["id"])
    assert demo.ann.get(one).json()["trust"]["remaining_uses"] == 1
    last = demo.enter(made["id"])
    assert demo.login(made["id"]).status_code == 401
    assert (is_good(first), is_good(last)) == (True, True)
    assert demo.ann.get(one).status_code == 404
    assert demo.ann.delete(one).status_code == 204
    assert (is_good(first), is_good(last)) == (False, False)


def test_a_refused_login_is_no_use(demo: Trusting) -> None:
    made = demo.make(remaining_uses=1)
    assert demo.cloud.admin.delete(demo.grant).status_code == 204
    assert demo.login(made["id"]).status_code == 403
    demo.cloud.give(demo.users["ann"], "member", demo.project_id)
    assert demo.login(made["id"]).status_code == 201


def test_of_many_at_once_as_many_log_in_as_the_trust_says(demo: Trusting) -> None:
    made = demo.make(remaining_uses=3)
    start = Barrier(CALLERS)

    def log_in(_: int) -> int:
        start.wait()
        return demo.login(made["id"]).status_code

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = Counter(pool.map(log_in, range(CALLERS)))
    assert answers == {201: 3, 401: CALLERS - 3}
    listed = demo.ann.get(f"{TRUSTS}?trustor_user_id={demo.users['ann']}").json()["trusts"]
    assert [trust["remaining_uses"] for trust in listed] == [0]
