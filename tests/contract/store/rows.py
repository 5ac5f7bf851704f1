"""Rows for every table of a schema, whatever it is: made from the columns alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, LargeBinary, MetaData, Table, insert, select
from sqlalchemy.engine import Connection

from freehold.store import Store

EACH = 2
LEFT_OUT = {("role_assignments", "group_id"), ("role_assignments", "domain_id")}
"""A role is held by one, a user or a group, on one thing."""


def reflected(store: Store) -> MetaData:
    """The tables that the database has, without Alembic's own."""
    found = MetaData()
    found.reflect(store.engine, only=lambda name, _: name != "alembic_version")
    return found


def fill(store: Store) -> MetaData:
    """Put ``EACH`` rows into every table; the second refers to the first where a table may."""
    tables = reflected(store)
    with store.engine.begin() as connection:
        for table in tables.sorted_tables:
            for number in range(EACH):
                _add(connection, table, number)
    return tables


def _add(connection: Connection, table: Table, number: int) -> None:
    row: dict[str, Any] = {}
    for column in table.columns:
        if (table.name, column.name) in LEFT_OUT:
            continue
        key = next(iter(column.foreign_keys), None)
        if key is None:
            row[column.name] = _value(column, number)
        elif key.column.table is not table:
            parents = connection.execute(select(key.column).order_by(key.column)).scalars().all()
            row[column.name] = parents[number]
        elif number:
            row[column.name] = connection.execute(select(key.column)).scalars().first()
    connection.execute(insert(table), [row])


def _value(column: Column[Any], number: int) -> Any:
    if isinstance(column.type, JSON):
        return {"of": column.name, "number": number}
    if isinstance(column.type, LargeBinary):
        return bytes([0, 255, number])
    kind = column.type.python_type
    if kind is datetime:
        return datetime(2026, 11, 21, 12, 0, number, 123_456)
    if kind is bool:
        return bool(number)
    if kind in (int, float):
        return number + 1
    return f"{column.name} {number} 'ünï'"


def everything(store: Store, tables: MetaData) -> dict[str, list[dict[str, Any]]]:
    """All rows of the tables' columns, table by table."""
    with store.engine.connect() as connection:
        return {
            table.name: sorted(
                (dict(row) for row in connection.execute(select(table)).mappings()), key=repr
            )
            for table in tables.sorted_tables
        }
