"""Faults: every error has a status, and each API gets its own form."""

from __future__ import annotations

import json

import pytest

from freehold import errors
from freehold.http.faults import STATUS, fault, status_of


def tree(root: type[errors.FreeholdError]) -> list[type[errors.FreeholdError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in tree(child))]


def test_every_error_of_the_tree_stands_in_the_one_table() -> None:
    assert set(tree(errors.FreeholdError)) == set(STATUS)


def test_codes_are_unique() -> None:
    codes = [error.code for error in tree(errors.FreeholdError)]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/identity/v3/users/x",
            {"error": {"code": 404, "message": "no x", "title": "Not Found"}},
        ),
        ("/compute/v2.1/servers/x", {"itemNotFound": {"code": 404, "message": "no x"}}),
        (
            "/network/v2.0/ports/x",
            {"NeutronError": {"type": "PortNotFound", "message": "no x", "detail": ""}},
        ),
        (
            "/image/v2/images/x",
            {"message": "no x", "code": "404 Not Found", "title": "Not Found"},
        ),
        (
            "/v1/jobs/x",
            {
                "error": {
                    "code": "NOT_FOUND",
                    "message": "no x",
                    "retry": "never",
                    "request_id": "req-1",
                }
            },
        ),
    ],
)
def test_each_api_gets_its_own_form(path: str, body: object) -> None:
    answer = fault(errors.NotFound("no x", kind="PortNotFound"), path, "req-1")
    assert answer.status_code == 404
    assert json.loads(answer.body) == body


@pytest.mark.parametrize(
    ("api", "status"), [("compute", 403), ("network", 409), ("image", 413), ("volume", 413)]
)
def test_a_full_quota_has_each_apis_own_status(api: str, status: int) -> None:
    assert status_of(errors.QuotaExceeded("full"), api) == status
