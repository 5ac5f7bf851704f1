"""A database that was used by the first version goes on with this one."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from freehold.errors import Unavailable
from freehold.store import Store, migrate
from tests.contract.store.rows import EACH, everything, fill, reflected

FIRST = "2550b1d79257"


def _settings() -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(migrate.MIGRATIONS))
    settings.set_main_option("path_separator", "os")
    return settings


def _to_first(store: Store) -> None:
    settings = _settings()
    with store.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, FIRST)


def test_the_history_is_one_line_from_the_first_schema() -> None:
    history = ScriptDirectory.from_config(_settings())
    assert history.get_bases() == [FIRST]
    assert len(history.get_heads()) == 1


def test_rows_of_the_first_schema_are_the_same_after_all_migrations(empty: Store) -> None:
    _to_first(empty)
    tables = fill(empty)
    before = everything(empty, tables)
    assert {len(rows) for rows in before.values()} == {EACH}

    assert migrate.upgrade(empty) is True

    migrate.check(empty)
    assert set(tables.tables) <= set(reflected(empty).tables)
    assert everything(empty, tables) == before


def test_servers_from_before_take_their_flavors_disk_or_their_images(empty: Store) -> None:
    _to_first(empty)
    fill(empty)
    with empty.engine.begin() as connection:
        for statement in (
            "UPDATE servers SET root_gib = 7",
            "UPDATE images SET virtual_size = 3221225473",
            "UPDATE servers SET root_gib = 0, image_id = (SELECT min(id) FROM images) "
            "WHERE id = (SELECT min(id) FROM servers)",
        ):
            connection.execute(text(statement))

    migrate.upgrade(empty)

    with empty.engine.connect() as connection:
        taken = connection.execute(text("SELECT disk_gib FROM servers ORDER BY id")).scalars().all()
    assert taken == [4, 7]


def test_a_database_at_an_older_schema_is_refused_until_it_is_upgraded(empty: Store) -> None:
    _to_first(empty)
    with pytest.raises(Unavailable, match=f"{FIRST}.*freehold db upgrade"):
        migrate.require_head(empty)


def test_a_database_of_a_newer_version_is_not_served(store: Store) -> None:
    with store.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'of_tomorrow'"))
    with pytest.raises(Unavailable, match="newer version"):
        migrate.require_head(store)
