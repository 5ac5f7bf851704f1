"""What a service that serves keeps in memory is what it serves with."""

from __future__ import annotations

import subprocess
import sys

IMPORTED = """
import sys
from freehold import app, cli
app.rooms()
app.route_tables()
print(*{name.partition(".")[0] for name in sys.modules})
"""
# Of migrations; of PostgreSQL's rows where there are none; of the OpenAPI document.
SELDOM = {"alembic", "mako", "pygments", "psycopg", "fastapi"}


def test_what_is_seldom_used_is_not_imported_by_serving() -> None:
    command = [sys.executable, "-c", IMPORTED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "sqlalchemy" in imported
    assert not imported & SELDOM
