"""The lists of conformance tests agree with upstream's, and can be kept by the runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import lists


def _upstream() -> set[str]:
    return {name for path in lists.UPSTREAM for name in lists.upstream(path)}


def test_upstream_asks_for_what_it_asks_for() -> None:
    assert [len(lists.upstream(path)) for path in lists.UPSTREAM] == [328, 107]


def test_every_upstream_test_is_in_exactly_one_list() -> None:
    must, others = lists.must_pass(), lists.not_yet()
    assert len(must) == len(set(must))
    assert set(must).isdisjoint(others)
    assert _upstream() <= set(must) | set(others)


def test_whatever_does_not_pass_yet_has_a_reason_in_a_sentence() -> None:
    for name, reason in lists.not_yet().items():
        assert reason.endswith("."), name
        assert len(reason.split()) >= 3, name


def test_lists_are_sorted_so_that_two_changes_meet_only_where_they_must() -> None:
    assert lists.must_pass() == sorted(lists.must_pass())
    assert list(lists.not_yet()) == sorted(lists.not_yet())


def test_a_test_that_passes_moves_and_is_never_in_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MUST_PASS", tmp_path / "must")
    monkeypatch.setattr(lists, "NOT_YET", tmp_path / "not")
    (tmp_path / "must").write_text("# kept\ntempest.old\n")
    (tmp_path / "not").write_text(
        "# kept too\ntempest.b Not tried yet.\ntempest.d There is no disk.\n"
    )
    assert lists.promote(["tempest.b", "tempest.old", "tempest.c"]) == ["tempest.b"]
    assert (tmp_path / "must").read_text() == "# kept\ntempest.b\ntempest.old\n"
    assert (tmp_path / "not").read_text() == "# kept too\ntempest.d There is no disk.\n"


def test_a_test_that_no_list_names_can_be_held_to_pass_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MUST_PASS", tmp_path / "must")
    monkeypatch.setattr(lists, "NOT_YET", tmp_path / "not")
    (tmp_path / "must").write_text("tempest.a\n")
    (tmp_path / "not").write_text("tempest.b Not tried yet.\n")
    assert lists.hold(["tempest.b", "tempest.c", "tempest.a", "setUpClass (x)"]) == [
        "tempest.b",
        "tempest.c",
    ]
    assert (tmp_path / "must").read_text() == "tempest.a\ntempest.b\ntempest.c\n"


def test_the_fast_part_is_of_tests_that_must_pass_and_need_no_guest() -> None:
    assert lists.fast(["tempest.api.identity.v3.A.b", "tempest.api.compute.servers.x.Y.z"]) == [
        "tempest.api.identity.v3.A.b"
    ]
