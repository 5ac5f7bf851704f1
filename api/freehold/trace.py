"""An error's story for the log, without the values that it was about.

Tenants' secrets are values: a password that is a list, user data that a database refused. Python's
own tracebacks quote them, so nothing of the service logs with ``exc_info``.
"""

from __future__ import annotations

import traceback
from sqlite3 import Error as SqliteError
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import StatementError


def trace(error: BaseException) -> str:
    """Where ``error`` and its causes were raised, and their words where these quote no value."""
    told: list[str] = []
    step: BaseException | None = error
    while step is not None and len(told) < 10:
        frames = "".join(traceback.format_tb(step.__traceback__))
        told.append(f"{frames}{type(step).__module__}.{type(step).__qualname__}: {_words(step)}")
        step = step.__cause__ or (None if step.__suppress_context__ else step.__context__)
    return "\nwhich came of:\n".join(told)


def _words(error: BaseException) -> str:
    match error:
        case ValidationError():
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            return "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['type']}" for p in problems[:3])
        case StatementError():
            cause = f": {_words(error.orig)}" if error.orig is not None else ""
            return f"{error.statement}{cause}"
        case _ if getattr(error, "sqlstate", None) is not None:
            return _postgresql_words(error)
        case ValueError():
            return "(words left out: they quote the value)"
        case SqliteError():
            return str(error).partition("\n")[0]
        case _:
            return str(error)


def _postgresql_words(error: Any) -> str:
    """psycopg's errors, known by their look: where the database is SQLite it is not imported.

    Message and detail quote the row; the state and these names do not.
    """
    said = error.diag
    names = (said.table_name, said.column_name, said.constraint_name)
    return " ".join([type(error).__name__, error.sqlstate, *(n for n in names if n)])
