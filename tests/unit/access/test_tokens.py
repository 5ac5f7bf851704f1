"""Tokens: read back as issued, and good for nothing once changed, over, or revoked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from freehold.access import Caller, Delegation, Scope, Tokens
from freehold.access.tokens import MARGIN, derive_key, revoke
from freehold.errors import NotAuthenticated
from freehold.store import Store
from tests.support.database import with_tables

NOW = datetime(2026, 11, 21, 12, 0, 0, 123_457, tzinfo=UTC)
SECRET = b"s" * 64
ANN = Caller(
    user_id="u1",
    user_name="ann",
    user_domain_id="d1",
    user_domain_name="Lab",
    scope=Scope("p1", "demo", "d2", "Work"),
    roles=("member", "reader"),
    methods=("password",),
)
TOKENS = Tokens(SECRET, 3600)
BY_TRUST = replace(
    ANN, trust=Delegation("t2", "u1", "u3", True, ("t2", "t1"), ("u1", "u2", "u3"), ("d1", "d3"))
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A database with the tables."""
    made = Store(with_tables(tmp_path))
    yield made
    made.close()


@pytest.mark.parametrize(
    "scope", [Scope(), Scope(system=True), Scope(domain_id="d", domain_name="D"), ANN.scope]
)
def test_a_token_is_read_back_as_issued(store: Store, scope: Scope) -> None:
    token, issued = TOKENS.issue(replace(ANN, scope=scope), NOW)
    with store.read() as session:
        assert TOKENS.read(session, token, NOW) == issued
    assert issued.expires_at == NOW.replace(microsecond=0) + timedelta(hours=1)


def test_a_token_of_a_trust_is_read_back_as_issued(store: Store) -> None:
    token, issued = TOKENS.issue(BY_TRUST, NOW)
    afresh = Tokens(SECRET, 3600)
    with store.read() as session:
        assert afresh.read(session, token, NOW) == issued


@pytest.mark.parametrize(
    ("revoked", "is_void"),
    [
        ({"trust_id": "t1"}, True),
        ({"trust_id": "t9"}, False),
        ({"user_id": "u2"}, True),
        ({"user_id": "u9"}, False),
        ({"user_id": "u3", "project_id": "p1"}, True),
        ({"user_id": "u3", "project_id": "p9"}, False),
        ({"domain_id": "d3"}, True),
        ({"domain_id": "d2"}, True),
        ({"domain_id": "d9"}, False),
    ],
)
def test_a_token_of_a_trust_ends_with_those_of_all_who_stand_behind_it(
    store: Store, revoked: dict[str, str], is_void: bool
) -> None:
    token, _ = TOKENS.issue(BY_TRUST, NOW)
    plain, _ = TOKENS.issue(ANN, NOW)
    with store.write() as session:
        revoke(session, NOW, **revoked)
    with store.read() as session:
        if is_void:
            with pytest.raises(NotAuthenticated):
                TOKENS.read(session, token, NOW)
        else:
            assert TOKENS.read(session, token, NOW).trust == BY_TRUST.trust
        if "trust_id" in revoked or revoked.get("user_id") in ("u2", "u3"):
            assert TOKENS.read(session, plain, NOW).trust is None


def test_a_token_is_over_when_its_time_is(store: Store) -> None:
    token, issued = TOKENS.issue(ANN, NOW)
    assert issued.expires_at is not None
    with store.read() as session:
        TOKENS.read(session, token, issued.expires_at - timedelta(seconds=1))
        with pytest.raises(NotAuthenticated):
            TOKENS.read(session, token, issued.expires_at)


def _forged() -> list[str]:
    token, _ = TOKENS.issue(ANN, NOW)
    head, body, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    other = jwt.encode({**claims, "r": ["admin"]}, "k" * 64, "HS256")
    none = jwt.encode({**claims, "r": ["admin"]}, None, "none")
    link_key = jwt.encode(claims, derive_key(SECRET, "link"), "HS256")
    return [
        f"{head}.{other.split('.')[1]}.{signature}",
        f"{head}.{body}.",
        other,
        none,
        link_key,
        "",
        "x",
    ]


@pytest.mark.parametrize("token", _forged())
def test_a_token_that_is_not_ours_is_refused(store: Store, token: str) -> None:
    with store.read() as session, pytest.raises(NotAuthenticated):
        TOKENS.read(session, token, NOW)


def _is_good(store: Store, token: str) -> bool:
    with store.read() as session:
        try:
            TOKENS.read(session, token, NOW)
        except NotAuthenticated:
            return False
        return True


@pytest.mark.parametrize(
    ("whose", "hit"),
    [
        ({"user_id": "u1"}, True),
        ({"user_id": "u2"}, False),
        ({"project_id": "p1"}, True),
        ({"user_id": "u1", "project_id": "p2"}, False),
        ({"user_id": "u1", "project_id": "p1"}, True),
        ({"domain_id": "d1"}, True),
        ({"domain_id": "d2"}, True),
        ({"domain_id": "d3"}, False),
        ({"audit_id": "other"}, False),
    ],
)
def test_a_revocation_hits_what_it_names(store: Store, whose: dict[str, Any], hit: bool) -> None:
    token, _ = TOKENS.issue(ANN, NOW)
    with store.write() as session:
        revoke(session, NOW, **whose)
    assert _is_good(store, token) is not hit


def test_an_unscoped_token_is_not_hit_by_a_projects_revocation(store: Store) -> None:
    token, _ = TOKENS.issue(replace(ANN, scope=Scope()), NOW)
    with store.write() as session:
        revoke(session, NOW, project_id="p1")
    assert _is_good(store, token)


def test_a_token_issued_in_sight_of_the_revocation_is_good(store: Store) -> None:
    later = NOW + timedelta(milliseconds=5)
    with store.write() as session:
        revoke(session, NOW, user_id="u1")
    with store.read() as session:
        seen, _ = TOKENS.issue(ANN, later, session=session)
    unseen, _ = TOKENS.issue(ANN, later)
    assert _is_good(store, seen)
    assert not _is_good(store, unseen)
    with store.write() as session:
        revoke(session, later + timedelta(milliseconds=5), user_id="u1")
    assert not _is_good(store, seen)


def test_a_token_long_after_the_revocation_is_dated_by_the_clock(store: Store) -> None:
    with store.write() as session:
        revoke(session, NOW, user_id="u1")
    with store.read() as session:
        later = NOW + 2 * MARGIN
        assert TOKENS.issue(ANN, later, session=session)[1].issued_at == later


def test_revocations_that_are_over_are_forgotten(store: Store) -> None:
    with store.write() as session:
        revoke(session, NOW, user_id="u1", lifetime_s=60)
        revoke(session, NOW + timedelta(seconds=61), user_id="u2")
    with store.read() as session:
        count = session.connection().exec_driver_sql("SELECT count(*) FROM revocations")
        assert count.scalar() == 1


def test_a_revocation_of_everything_is_a_mistake(store: Store) -> None:
    with store.write() as session, pytest.raises(ValueError, match="whose"):
        revoke(session, NOW)


@pytest.mark.parametrize("value", ["", "1", "².00", "99999999999.²", "x.y", "-1.00", "9" * 40])
def test_a_link_value_that_nobody_signed_is_refused(value: str) -> None:
    with pytest.raises(NotAuthenticated):
        TOKENS.check_link("/v1/images/x/data", value, NOW)


def test_a_link_is_good_for_its_own_path_and_time_only() -> None:
    value = TOKENS.sign_link("/v1/images/x/data", NOW + timedelta(seconds=60))
    TOKENS.check_link("/v1/images/x/data", value, NOW)
    with pytest.raises(NotAuthenticated):
        TOKENS.check_link("/v1/images/y/data", value, NOW)
    with pytest.raises(NotAuthenticated):
        TOKENS.check_link("/v1/images/x/data", value, NOW + timedelta(seconds=62))
