"""Lockout after wrong passwords, and passwords that must not come back, where settings say so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from freehold.app import create_app
from freehold.config import Config
from freehold.identity.password import Password
from freehold.store import Store, utc_now
from tests.api.identity.conftest import Cloud
from tests.support.database import copied
from tests.support.service import Service


@pytest.fixture
def strict(template: tuple[Service, str], tmp_path: Path) -> Iterator[Cloud]:
    """A cloud that locks after three wrong passwords and remembers three."""
    service, token = template
    config = Config(
        database=copied(service.config.database, tmp_path),
        secret_file=service.config.secret_file,
        policy_dir=tmp_path / "policy.d",
        lockout_attempts=3,
        lockout_s=60,
        password_history=3,
    )
    store = Store(config.database)
    yield Cloud(Service(create_app(config, store), store, config), token)
    store.close()


def _fail(cloud: Cloud, times: int, name: str = "ann") -> None:
    for _ in range(times):
        assert cloud.login(name, "wrong").status_code == 401


def _later(cloud: Cloud) -> None:
    """Let the lockout be over."""
    before = utc_now() - timedelta(seconds=61)
    with cloud.service.store.write() as session:
        session.execute(update(Password).where(Password.failures > 0).values(failed_at=before))


def test_three_wrong_passwords_lock_a_user_for_a_while(strict: Cloud) -> None:
    strict.member()
    _fail(strict, 3)
    locked, unknown = strict.login("ann", "secret"), strict.login("nobody", "secret")
    assert locked.status_code == 401
    assert locked.json() == unknown.json()
    _later(strict)
    assert strict.login("ann", "secret").status_code == 201


def test_a_right_password_ends_the_count(strict: Cloud) -> None:
    strict.member()
    for _ in range(3):
        _fail(strict, 2)
        assert strict.login("ann", "secret").status_code == 201


def test_the_count_begins_anew_when_a_lockout_is_over(strict: Cloud) -> None:
    strict.member()
    _fail(strict, 3)
    _later(strict)
    _fail(strict, 2)
    assert strict.login("ann", "secret").status_code == 201


def test_an_operator_unlocks_by_a_new_password_and_can_spare_a_user(strict: Cloud) -> None:
    user, _ = strict.member()
    _fail(strict, 3)
    path = f"/identity/v3/users/{user['id']}"
    assert strict.admin.patch(path, json={"user": {"password": "new"}}).status_code == 200
    assert strict.login("ann", "new").status_code == 201
    spared = {"user": {"options": {"ignore_lockout_failure_attempts": True}}}
    assert strict.admin.patch(path, json=spared).status_code == 200
    _fail(strict, 5)
    assert strict.login("ann", "new").status_code == 201


def test_nobody_is_locked_where_settings_say_nothing(cloud: Cloud) -> None:
    cloud.member()
    _fail(cloud, 5)
    assert cloud.login("ann", "secret").status_code == 201


def _change(cloud: Cloud, user: dict[str, Any], old: str, new: str) -> int:
    path = f"/identity/v3/users/{user['id']}/password"
    body = {"user": {"original_password": old, "password": new}}
    return int(cloud.anonymous().post(path, json=body).status_code)


def test_the_last_three_passwords_do_not_come_back(strict: Cloud) -> None:
    user, _ = strict.member()
    assert _change(strict, user, "secret", "two") == 204
    assert _change(strict, user, "two", "three") == 204
    assert [_change(strict, user, "three", old) for old in ("secret", "two", "three")] == [400] * 3
    assert _change(strict, user, "three", "four") == 204
    assert _change(strict, user, "four", "secret") == 204


def test_an_operator_may_give_an_old_password_again(strict: Cloud) -> None:
    user, _ = strict.member()
    assert _change(strict, user, "secret", "two") == 204
    path = f"/identity/v3/users/{user['id']}"
    assert strict.admin.patch(path, json={"user": {"password": "secret"}}).status_code == 200
    assert strict.login("ann", "secret").status_code == 201
