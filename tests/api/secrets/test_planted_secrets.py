"""Invariant 2: secrets are where they must be, in the form they must have, and nowhere else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.api.isolation.stage import PASSWORD, Stage
from tests.api.secrets.planted import Evidence, Planter, collect, logged

PLANTED = (
    "password",
    "token that is none",
    "application secret",
    "blob",
    "user data",
    "administrator's password",
    "personality",
    "metadata",
)
HOLDERS = {"user data": {"servers.user_data"}, "metadata": {"servers.meta"}}
"""What its tenant is shown again is kept as written; all else is hashed, sealed or not kept."""


@pytest.fixture(scope="module")
def evidence(stage: Stage) -> Iterator[Evidence]:
    """One cloud's worth of it."""
    found = Evidence({name: f"planted+{secrets.token_urlsafe(18)}" for name in PLANTED})
    planter = Planter(stage, found)
    with logged() as log:
        planter.passwords()
        planter.tokens()
        planter.credentials()
        planter.servers()
        planter.broken()
        collect(stage, log, found)
    found.secrets["administrator of the cloud"] = PASSWORD
    yield found
    stage.restore()


def test_the_log_holds_no_secret_and_tells_what_failed(evidence: Evidence) -> None:
    assert [name for name in evidence.secrets if evidence.shows(name, evidence.log)] == []
    assert "$argon2" not in evidence.log
    assert evidence.log.count("random_seed") >= 1, "what the database refused"
    assert "INSERT INTO servers" in evidence.log


def test_columns_that_must_not_be_readable_are_not(evidence: Evidence) -> None:
    found = {name: evidence.holders(name) for name in evidence.secrets}
    assert found == {name: HOLDERS.get(name, set()) for name in evidence.secrets}


def test_the_database_files_hold_nothing_that_its_columns_do_not(evidence: Evidence) -> None:
    text = evidence.files.decode("latin-1")
    found = {name for name in evidence.secrets if evidence.shows(name, text)}
    assert found == (set(HOLDERS) if evidence.files else set())


def test_no_refusal_repeats_a_secret(evidence: Evidence) -> None:
    refusals = [answer for answer in evidence.answers if answer[1] >= 400]
    assert {status for _, status, _ in refusals} >= {400, 401, 404, 409, 500}
    repeated = [
        (what, status, name)
        for what, status, said in refusals
        for name in evidence.secrets
        if evidence.shows(name, said)
    ]
    assert repeated == []


def test_jobs_and_targets_tell_no_secret(evidence: Evidence) -> None:
    assert "server" in evidence.told
    assert [name for name in evidence.secrets if evidence.shows(name, evidence.told)] == []
