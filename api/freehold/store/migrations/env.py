"""Run by Alembic for each migration command; the connection comes from ``store.migrate``."""

from typing import Any, Literal

from alembic import context

from freehold.store import Base, UtcDateTime


def render(kind: str, item: Any, _autogen: Any) -> str | Literal[False]:
    """Write our own column types as the database has them, so that migrations stand alone."""
    return "sa.DateTime()" if kind == "type" and isinstance(item, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=render,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
