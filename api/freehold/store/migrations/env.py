"""Run by Alembic for each migration command; the connection comes from ``store.migrate``."""

from alembic import context

from freehold.store import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
