"""The load harness counts what really happened, and writes only its own part of the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.api.__main__ import BASELINE
from tests.bench.load import Connection, NothingLeft, Refused, load, measured
from tests.bench.process import cpu_s, resident_mib, serving
from tests.support.service import free_port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server that answers every request with a constant."""
    chosen = free_port()
    command = ["uvicorn", "tests.bench.hello:app", "--log-level", "warning", "--port", str(chosen)]
    with serving(command, chosen, {}) as pid:
        assert resident_mib(pid) > 1
        assert cpu_s(pid) > 0
        yield chosen


def test_each_client_asks_until_the_count_is_reached(port: int) -> None:
    asked = []

    def operation(client: Connection) -> None:
        asked.append(client.ask("GET", "/").json())

    result = load(
        lambda: Connection(port), operation, clients=4, seconds=60, most=40, cpu_s=lambda: 0.0
    )
    assert asked[-1] == {"hello": "world"}
    assert len(asked) == 40 + 4, "the warm-up is not counted"
    assert result.rate > 0
    assert result.p50_ms <= result.p99_ms


def test_an_answer_that_was_not_expected_makes_no_figure(port: int) -> None:
    def operation(client: Connection) -> None:
        client.ask("GET", "/", expect=201)

    with pytest.raises(Refused, match="200 and not 201"):
        load(lambda: Connection(port), operation, clients=1, seconds=1, most=5, cpu_s=lambda: 0.0)


def test_a_client_with_nothing_left_to_do_stops(port: int) -> None:
    left = [1, 2, 3]

    def operation(client: Connection) -> None:
        if not left:
            raise NothingLeft
        left.pop()
        client.ask("GET", "/")

    load(lambda: Connection(port), operation, clients=2, seconds=60, most=9, cpu_s=lambda: 0.0)
    assert left == []


def test_percentiles_are_of_the_times_in_order() -> None:
    result = measured([0.003, 0.001, 0.002, 0.1], took=2.0, used=0.004)
    assert (result.rate, result.p50_ms, result.p99_ms, result.cpu_ms) == (2.0, 3.0, 100.0, 1.0)


def test_a_report_replaces_its_own_part_and_no_other(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bench: x -->\nold\n<!-- end: x -->\n<!-- bench: y -->\nb\n")
    report.write("x", ["new"], page)
    assert page.read_text() == (
        "a\n<!-- bench: x -->\nnew\n<!-- end: x -->\n<!-- bench: y -->\nb\n"
    )
    with pytest.raises(ValueError, match="no part"):
        report.write("y", ["new"], page)


def test_the_page_has_room_for_the_report_and_the_baseline_is_there() -> None:
    assert "<!-- bench: api -->" in report.PAGE.read_text()
    assert BASELINE.exists()
