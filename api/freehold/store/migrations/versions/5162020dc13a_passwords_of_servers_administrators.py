"""passwords of servers' administrators."""

import sqlalchemy as sa
from alembic import op

revision = "5162020dc13a"
down_revision = "2ec8720b774a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sealed_password", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.drop_column("sealed_password")
