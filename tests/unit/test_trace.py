"""What the log says of an error: where and why, never the value."""

from __future__ import annotations

import logging
from collections.abc import Callable

import psycopg.errors
import pytest
from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, StatementError

from freehold.errors import BadRequest
from freehold.http import ApiVersion, Call, Routes
from freehold.trace import trace
from tests.support.service import Service

SECRET = "swordfish"


def of_a_form() -> None:
    TypeAdapter(dict[str, int]).validate_python({"pin": SECRET})


def of_a_form_told_to_the_caller() -> None:
    try:
        of_a_form()
    except ValueError as error:
        raise BadRequest("The pin has to be a number.") from error


def of_a_number() -> None:
    int(SECRET)


def of_a_number_met_on_the_way() -> None:
    try:
        int(SECRET)
    finally:
        raise RuntimeError("no more disks")


def of_a_row() -> None:
    row = psycopg.errors.NotNullViolation(f"Failing row contains ({SECRET})")
    raise DBAPIError("INSERT INTO pins VALUES (%s)", (SECRET,), row, True) from row


def of_a_parameter() -> None:
    raise StatementError("no number", "SELECT :pin", {"pin": SECRET}, ValueError(SECRET))


ERRORS = (
    (of_a_form, "pin: int_parsing"),
    (of_a_form_told_to_the_caller, "The pin has to be a number."),
    (of_a_number, "builtins.ValueError"),
    (of_a_number_met_on_the_way, "no more disks"),
    (of_a_row, "INSERT INTO pins VALUES (%s): NotNullViolation 23502"),
    (of_a_parameter, "SELECT :pin"),
)


@pytest.mark.parametrize(("failing", "words"), ERRORS)
def test_an_error_is_told_without_the_value_it_is_about(
    failing: Callable[[], None], words: str
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each raises its own
        failing()
    told = trace(caught.value)
    assert SECRET not in told
    assert words in told
    assert f"in {failing.__name__}" in told, "where it was"


def test_the_database_logs_statements_without_their_values(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "sqlalchemy.engine"), service.store.read() as session:
        session.execute(text("SELECT :pin"), {"pin": SECRET})
    assert "SELECT" in caplog.text
    assert SECRET not in caplog.text


def test_the_edge_logs_where_an_unforeseen_error_was_but_not_the_value(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(call: Call) -> None:
        of_a_number()

    table = Routes(ApiVersion("freehold", "v1", "/v1", "2026-11-21T00:00:00Z"))
    table.add("GET", "/broken", broken, policy=None)
    (endpoint,) = table.endpoints
    service.app.serve(endpoint)
    assert service.client().get("/v1/broken").status_code == 500
    assert "in of_a_number" in caplog.text
    assert SECRET not in caplog.text
