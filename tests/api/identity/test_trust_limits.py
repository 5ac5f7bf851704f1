"""What a trust does not give: lasting credentials, other projects, more than it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from freehold.store import utc_now
from tests.api.identity.conftest import Cloud
from tests.api.identity.trusts import TOKENS, TRUSTS, Trusting, is_good, trusting

V3 = "/identity/v3"


@pytest.fixture
def demo(cloud: Cloud) -> Trusting:
    return trusting(cloud)


@pytest.fixture
def bob(demo: Trusting) -> TestClient:
    """Bob as Ann, by a trust that cannot be handed on."""
    return demo.enter(demo.make()["id"])


def test_a_token_of_a_trust_makes_no_other_token(demo: Trusting, bob: TestClient) -> None:
    token = {"methods": ["token"], "token": {"id": bob.headers["X-Auth-Token"]}}
    scope = {"project": {"id": demo.project_id}}
    for auth in ({"identity": token}, {"identity": token, "scope": scope}):
        assert demo.cloud.anonymous().post(TOKENS, json={"auth": auth}).status_code == 403


def test_a_trustee_reaches_no_application_credentials(demo: Trusting, bob: TestClient) -> None:
    path = f"{V3}/users/{demo.users['ann']}/application_credentials"
    body = {"application_credential": {"name": "ci"}}
    made = demo.ann.post(path, json=body).json()["application_credential"]
    one = f"{path}/{made['id']}"
    answers = [bob.post(path, json=body), bob.get(path), bob.get(one), bob.delete(one)]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert demo.ann.get(one).status_code == 200


def test_a_trustee_reaches_credentials_of_the_project_alone(
    demo: Trusting, bob: TestClient
) -> None:
    def wish(project_id: str | None) -> dict[str, Any]:
        fields = {"type": "cert", "blob": "b", "user_id": demo.users["ann"]}
        return {"credential": {**fields, "project_id": project_id}}

    factor = demo.ann.post(f"{V3}/credentials", json=wish(None)).json()["credential"]["id"]
    assert bob.post(f"{V3}/credentials", json=wish(None)).status_code == 403
    made = bob.post(f"{V3}/credentials", json=wish(demo.project_id)).json()["credential"]["id"]
    assert [row["id"] for row in bob.get(f"{V3}/credentials").json()["credentials"]] == [made]
    for method in ("GET", "PATCH", "DELETE"):
        body = {"credential": {"blob": "changed"}} if method == "PATCH" else None
        assert bob.request(method, f"{V3}/credentials/{factor}", json=body).status_code == 403
    assert len(demo.ann.get(f"{V3}/credentials").json()["credentials"]) == 2


def test_an_ec2_pair_remembers_the_trust_that_made_it(demo: Trusting) -> None:
    made = demo.make()
    bob = demo.enter(made["id"])
    pairs = f"{V3}/users/{demo.users['ann']}/credentials/OS-EC2"
    answer = bob.post(pairs, json={"tenant_id": demo.project_id})
    assert answer.json()["credential"]["trust_id"] == made["id"]
    (kept,) = demo.ann.get(f"{V3}/credentials").json()["credentials"]
    lifted = {"credential": {"blob": '{"access": "a", "secret": "s"}'}}
    assert demo.ann.patch(f"{V3}/credentials/{kept['id']}", json=lifted).status_code == 400
    other = demo.cloud.make("project", name="other")["id"]
    assert bob.post(pairs, json={"tenant_id": other}).status_code == 403


def test_a_program_manages_no_trusts(demo: Trusting) -> None:
    path = f"{V3}/users/{demo.users['ann']}/application_credentials"
    body = {"application_credential": {"name": "ci", "unrestricted": True}}
    made = demo.ann.post(path, json=body).json()["application_credential"]
    proof = {"id": made["id"], "secret": made["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": proof}
    answer = demo.cloud.anonymous().post(TOKENS, json={"auth": {"identity": identity}})
    program = demo.cloud.anonymous()
    program.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    one = f"{TRUSTS}/{demo.make()['id']}"
    mine = f"{TRUSTS}?trustor_user_id={demo.users['ann']}"
    answers = [
        program.post(TRUSTS, json=demo.wish()),
        *(program.get(path) for path in (mine, one, f"{one}/roles")),
        program.delete(one),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5


def _on(demo: Trusting, **fields: Any) -> dict[str, Any]:
    """Wish of Bob's to hand on what Ann gave him to Cy."""
    return demo.wish(trustee_user_id=demo.users["cy"], **fields)


def test_a_trust_cannot_be_handed_on_unless_it_says_so(demo: Trusting, bob: TestClient) -> None:
    assert bob.post(TRUSTS, json=_on(demo)).status_code == 403


def test_a_trust_is_handed_on_until_its_count_is_used_up(demo: Trusting) -> None:
    first = demo.make(allow_redelegation=True, redelegation_count=2)
    bob = demo.enter(first["id"])
    answer = bob.post(TRUSTS, json=_on(demo, allow_redelegation=True))
    assert answer.status_code == 201, answer.text
    second = answer.json()["trust"]
    assert (second["redelegated_trust_id"], second["redelegation_count"]) == (first["id"], 1)
    cy = demo.enter(second["id"], "cy")
    third = demo.make(cy, allow_redelegation=True)
    assert third["redelegation_count"] == 0
    again = demo.enter(third["id"])
    assert again.post(TRUSTS, json=_on(demo)).status_code == 403
    shown = demo.login(third["id"]).json()["token"]
    assert shown["user"]["name"] == "ann"


def test_what_is_handed_on_without_impersonation_is_still_the_first_ones(demo: Trusting) -> None:
    first = demo.make(allow_redelegation=True, impersonation=False)
    assert first["redelegation_count"] == 3
    bob = demo.enter(first["id"])
    wish = _on(demo, impersonation=False, trustor_user_id=demo.users["bob"])
    answer = bob.post(TRUSTS, json=wish)
    assert answer.status_code == 201, answer.text
    token = demo.login(answer.json()["trust"]["id"], "cy").json()["token"]
    assert token["user"]["name"] == "cy"
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}


def test_what_is_handed_on_is_no_more_than_was_given(demo: Trusting) -> None:
    def later(**delta: float) -> str:
        return (utc_now() + timedelta(**delta)).isoformat()

    other = demo.cloud.make("project", name="other")["id"]
    demo.cloud.give(demo.users["ann"], "reader", other)
    first = demo.make(
        allow_redelegation=True,
        impersonation=False,
        expires_at=later(hours=1),
        roles=[{"name": "reader"}],
    )
    bob = demo.enter(first["id"])
    mine = {"trustor_user_id": demo.users["bob"], "impersonation": False}
    reader = mine | {"roles": [{"name": "reader"}]}
    for fields in (
        mine,
        reader | {"impersonation": True},
        reader | {"expires_at": later(hours=2)},
        reader | {"remaining_uses": 1},
        reader | {"project_id": other},
        reader | {"allow_redelegation": True, "redelegation_count": 1},
    ):
        assert bob.post(TRUSTS, json=_on(demo, **fields)).status_code == 403, fields
    made = bob.post(TRUSTS, json=_on(demo, **reader)).json()["trust"]
    assert made["expires_at"] == first["expires_at"]


@pytest.mark.parametrize("ended", ["trust", "trustee", "trustor's role"])
def test_what_was_handed_on_ends_with_what_it_stands_on(demo: Trusting, ended: str) -> None:
    first = demo.make(allow_redelegation=True, impersonation=False)
    wish = _on(demo, impersonation=False, trustor_user_id=demo.users["bob"])
    second = demo.enter(first["id"]).post(TRUSTS, json=wish).json()["trust"]
    cy = demo.enter(second["id"], "cy")
    assert is_good(cy)
    if ended == "trust":
        assert demo.ann.delete(f"{TRUSTS}/{first['id']}").status_code == 204
    elif ended == "trustee":
        path = f"{V3}/users/{demo.users['bob']}"
        demo.cloud.admin.patch(path, json={"user": {"enabled": False}})
    else:
        assert demo.cloud.admin.delete(demo.grant).status_code == 204
    assert not is_good(cy)
    assert demo.login(second["id"], "cy").status_code in (401, 403)
