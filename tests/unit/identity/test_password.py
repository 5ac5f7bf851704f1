"""Passwords: checked in equal time for everybody, with a bound on how many at once."""

from __future__ import annotations

import threading
import time

import pytest

from freehold.errors import Unavailable
from freehold.identity.password import _NOBODY, _Slots, hashed, matches


def test_a_password_matches_its_own_hash_only() -> None:
    stored = hashed("correct horse")
    assert stored.startswith("$argon2id$")
    assert "correct" not in stored
    assert matches("correct horse", stored)
    assert not matches("battery staple", stored)


def test_the_same_password_is_never_hashed_alike() -> None:
    assert hashed("x") != hashed("x")


@pytest.mark.parametrize("text", ["", "\x00", "ä" * 500, "{{ 7*7 }}"])
def test_any_text_is_a_password(text: str) -> None:
    assert matches(text, hashed(text))


def test_nobody_has_no_password_but_takes_as_long() -> None:
    stored = hashed("right")

    def fastest(of: str | None) -> float:
        times = []
        for _ in range(5):
            start = time.thread_time()
            assert not matches("wrong", of)
            times.append(time.thread_time() - start)
        return min(times)

    known, unknown = fastest(stored), fastest(None)
    assert 0.5 < unknown / known < 2
    assert _NOBODY.split("$")[3] == stored.split("$")[3], "the same work as a real hash"


def test_a_broken_hash_matches_nothing() -> None:
    assert not matches("x", "not a hash")


def test_too_many_at_once_are_told_to_come_back() -> None:
    slots = _Slots(slots=1, waiting=1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with slots.one():
            held.set()
            done.wait(10)

    first = threading.Thread(target=hold)
    first.start()
    assert held.wait(10)
    entered = threading.Event()

    def wait() -> None:
        with slots.one():
            entered.set()

    second = threading.Thread(target=wait)
    second.start()
    while slots._admitted._value:  # type: ignore[attr-defined]
        threading.Event().wait(0.001)
    with pytest.raises(Unavailable), slots.one():
        pass
    assert not entered.is_set()
    done.set()
    first.join(10)
    second.join(10)
    assert entered.is_set()
    with slots.one():
        pass
