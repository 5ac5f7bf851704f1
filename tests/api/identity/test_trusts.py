"""Trusts: made, shown and ended; somebody acts with another's roles for as long as they may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from freehold.access.audit import AuditRecord
from freehold.store import utc_now
from tests.api.identity.conftest import ADMIN_PASSWORD, Cloud
from tests.api.identity.trusts import TOKENS, TRUSTS, Trusting, is_good, trusting
from tests.support.stock_client import openstack_lines


@pytest.fixture
def demo(cloud: Cloud) -> Trusting:
    return trusting(cloud)


def _soon(**delta: float) -> str:
    moment = utc_now() + timedelta(**delta)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def test_a_trust_is_shown_with_its_roles_and_listed_without(demo: Trusting) -> None:
    made = demo.make(expires_at=(ends := _soon(hours=1)), remaining_uses=2, colour="red")
    (role,) = made["roles"]
    plain = {key: value for key, value in made.items() if key not in ("roles", "roles_links")}
    path = f"http://127.0.0.1:5000{TRUSTS}/{made['id']}"
    assert plain == {
        "id": made["id"],
        "trustor_user_id": demo.users["ann"],
        "trustee_user_id": demo.users["bob"],
        "project_id": demo.project_id,
        "impersonation": True,
        "expires_at": ends,
        "remaining_uses": 2,
        "redelegation_count": 0,
        "redelegated_trust_id": None,
        "deleted_at": None,
        "colour": "red",
        "links": {"self": path},
    }
    assert (role["name"], made["roles_links"]["self"]) == ("member", f"{path}/roles")
    assert demo.ann.get(f"{TRUSTS}/{made['id']}").json()["trust"] == made
    for query in ("", "/"):
        listed = demo.ann.get(f"{TRUSTS}{query}?trustor_user_id={demo.users['ann']}")
        assert listed.json()["trusts"] == [plain]
    roles = demo.ann.get(f"{TRUSTS}/{made['id']}/roles").json()
    assert (roles["roles"], roles["links"]) == ([role], made["roles_links"])
    assert demo.ann.get(f"{TRUSTS}/{made['id']}/roles/{role['id']}").json() == {"role": role}
    other = demo.cloud.role_id("reader")
    assert demo.ann.head(f"{TRUSTS}/{made['id']}/roles/{role['id']}").status_code == 200
    assert demo.ann.head(f"{TRUSTS}/{made['id']}/roles/{other}").status_code == 404


def test_the_trustee_sees_it_and_only_the_trustor_ends_it(demo: Trusting) -> None:
    one = f"{TRUSTS}/{demo.make()['id']}"
    bob, cy = demo.cloud.client("bob", "secret"), demo.cloud.client("cy", "secret")
    assert bob.get(one).status_code == 200
    mine = bob.get(f"{TRUSTS}?trustee_user_id={demo.users['bob']}").json()["trusts"]
    assert [trust["links"]["self"].endswith(one) for trust in mine] == [True]
    assert bob.delete(one).status_code == 403
    for method in ("GET", "DELETE"):
        assert cy.request(method, one).status_code == 404
    for query in ("", f"?trustor_user_id={demo.users['ann']}"):
        assert cy.get(f"{TRUSTS}{query}").status_code == 403
    assert demo.ann.delete(one).status_code == 204
    assert demo.ann.get(one).status_code == 404
    assert demo.cloud.admin.get(TRUSTS).json()["trusts"] == []


def test_a_trustee_acts_as_the_trustor(demo: Trusting) -> None:
    made = demo.make()
    answer = demo.login(made["id"])
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    assert token["user"]["name"] == "ann"
    assert token["project"]["name"] == "demo"
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    assert token["methods"] == ["password"]
    assert token["catalog"]
    assert token["OS-TRUST:trust"] == {
        "id": made["id"],
        "impersonation": True,
        "trustor_user": {"id": demo.users["ann"]},
        "trustee_user": {"id": demo.users["bob"]},
    }
    subject = {"X-Subject-Token": answer.headers["X-Subject-Token"]}
    shown = demo.cloud.admin.get(TOKENS, headers=subject).json()["token"]
    assert shown["OS-TRUST:trust"] == token["OS-TRUST:trust"]


def test_a_trustee_acts_as_themself_where_they_may_not_impersonate(demo: Trusting) -> None:
    token = demo.login(demo.make(impersonation=False)["id"]).json()["token"]
    assert (token["user"]["name"], token["project"]["name"]) == ("bob", "demo")
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}


def test_what_a_trustee_does_is_written_down_as_theirs(demo: Trusting) -> None:
    made = demo.make()
    network = {"network": {"name": "by-bob"}}
    answer = demo.enter(made["id"]).post("/network/v2.0/networks", json=network)
    assert answer.json()["network"]["project_id"] == demo.project_id
    with demo.cloud.service.store.read() as session:
        wanted = AuditRecord.resource_id == answer.json()["network"]["id"]
        (record,) = session.scalars(select(AuditRecord).where(wanted))
    assert record.user_id == demo.users["ann"]
    assert (record.facts["trust_id"], record.facts["by"]) == (made["id"], demo.users["bob"])


def test_a_trust_that_is_not_mine_is_one_that_is_not(demo: Trusting) -> None:
    made = demo.make()
    refusals = [demo.login(made["id"], "cy"), demo.login("0" * 32), demo.login("0" * 32, "cy")]
    assert [answer.status_code for answer in refusals] == [401] * 3
    assert len({answer.text for answer in refusals}) == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"roles": []}, 403),
        ({"roles": [{"name": "admin"}]}, 404),
        ({"roles": [{"id": "0" * 32}]}, 404),
        ({"roles": [{"name": "member", "id": "0" * 32}]}, 400),
        ({"roles": [{}]}, 400),
        ({"project_id": "0" * 32}, 404),
        ({"project_id": None}, 400),
        ({"trustee_user_id": "0" * 32}, 404),
        ({"trustor_user_id": "0" * 32}, 403),
        ({"impersonation": None}, 400),
        ({"expires_at": "bad.123Z"}, 400),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, 400),
        ({"expires_at": "2001-01-01T00:00:00Z"}, 400),
        ({"remaining_uses": 0}, 400),
        ({"remaining_uses": True}, 400),
        ({"remaining_uses": 2, "allow_redelegation": True}, 400),
        ({"allow_redelegation": True, "redelegation_count": 4}, 403),
    ],
)
def test_a_trust_that_cannot_be_is_refused(
    demo: Trusting, fields: dict[str, Any], status: int
) -> None:
    assert demo.ann.post(TRUSTS, json=demo.wish(**fields)).status_code == status
    assert demo.cloud.admin.get(TRUSTS).json()["trusts"] == []


def test_nobody_trusts_for_another(demo: Trusting) -> None:
    assert demo.cloud.admin.post(TRUSTS, json=demo.wish()).status_code == 403


def test_a_token_ends_with_its_trust(demo: Trusting) -> None:
    ends = _soon(minutes=5)
    made = demo.make(expires_at=ends)
    assert demo.login(made["id"]).json()["token"]["expires_at"] == ends


def test_deleting_a_trust_voids_its_tokens_only(demo: Trusting) -> None:
    made, other = demo.make(), demo.make(impersonation=False)
    ended, kept = demo.enter(made["id"]), demo.enter(other["id"])
    assert demo.ann.delete(f"{TRUSTS}/{made['id']}").status_code == 204
    assert (is_good(ended), is_good(kept), is_good(demo.ann)) == (False, True, True)
    assert demo.login(made["id"]).status_code == 401


@pytest.mark.parametrize("who", ["ann", "bob"])
@pytest.mark.parametrize(
    "change", [{"enabled": False}, {"password": "another"}], ids=["disabled", "new password"]
)
def test_tokens_end_with_those_of_both_users(
    demo: Trusting, who: str, change: dict[str, Any]
) -> None:
    client = demo.enter(demo.make()["id"])
    path = f"/identity/v3/users/{demo.users[who]}"
    assert demo.cloud.admin.patch(path, json={"user": change}).status_code == 200
    assert not is_good(client)


def test_a_disabled_trustor_is_not_acted_for(demo: Trusting) -> None:
    made = demo.make()
    path = f"/identity/v3/users/{demo.users['ann']}"
    demo.cloud.admin.patch(path, json={"user": {"enabled": False}})
    assert demo.login(made["id"]).status_code == 403


def test_a_trust_goes_with_its_users(demo: Trusting) -> None:
    made = demo.make()
    client = demo.enter(made["id"])
    assert demo.cloud.admin.delete(f"/identity/v3/users/{demo.users['ann']}").status_code == 204
    assert not is_good(client)
    assert demo.cloud.admin.get(TRUSTS).json()["trusts"] == []
    assert demo.login(made["id"]).status_code == 401


def test_a_trust_gives_no_role_that_the_trustor_lost(demo: Trusting) -> None:
    made = demo.make()
    client = demo.enter(made["id"])
    assert demo.cloud.admin.delete(demo.grant).status_code == 204
    assert not is_good(client)
    assert demo.login(made["id"]).status_code == 403
    demo.cloud.give(demo.users["ann"], "reader", demo.project_id)
    assert demo.login(made["id"]).status_code == 403
    demo.cloud.give(demo.users["ann"], "member", demo.project_id)
    assert is_good(demo.enter(made["id"]))


def test_a_trust_of_a_role_that_is_deleted_gives_nothing(demo: Trusting) -> None:
    role = demo.cloud.make("role", name="passing")
    demo.cloud.give(demo.users["ann"], "passing", demo.project_id)
    made = demo.make(roles=[{"id": role["id"]}, {"name": "member"}])
    client = demo.enter(made["id"])
    assert demo.cloud.admin.delete(f"/identity/v3/roles/{role['id']}").status_code == 204
    assert not is_good(client)
    assert demo.login(made["id"]).status_code == 403
    shown = demo.cloud.admin.get(f"{TRUSTS}/{made['id']}").json()["trust"]
    assert [one["name"] for one in shown["roles"]] == ["member"]


def test_the_scopes_are_one_at_a_time(demo: Trusting) -> None:
    scope = {"OS-TRUST:trust": {"id": demo.make()["id"]}, "system": {"all": True}}
    assert demo.cloud.login("bob", "secret", scope).status_code == 400


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_openstack_command_manages_trusts(served: str) -> None:
    project, _, made, listed = openstack_lines(
        served,
        ADMIN_PASSWORD,
        "project create trusted -f json",
        "user create --password secret dee -f json",
        "role add --user admin --project trusted member",
        "trust create --project trusted --role member --impersonate admin dee -f json",
        "trust list -f json",
    )
    assert made["project_id"] == project["id"]
    assert [row["ID"] for row in listed] == [made["id"]]
    shown, left = openstack_lines(
        served,
        ADMIN_PASSWORD,
        f"trust show {made['id']} -f json",
        f"trust delete {made['id']}",
        "trust list -f json",
    )
    assert (shown["id"], shown["is_impersonation"], left) == (made["id"], True, [])
