"""what a server's disk takes of its host."""

import sqlalchemy as sa
from alembic import op

revision = "7d1a38376fb9"
down_revision = "37940adea49b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("disk_gib", sa.Integer(), server_default="0", nullable=False))
    # A flavor without a size of its own takes its image's, if the image is still known.
    op.execute(
        """
        UPDATE servers SET disk_gib = CASE WHEN root_gib > 0 THEN root_gib ELSE coalesce(
            (SELECT (virtual_size + 1073741823) / 1073741824 FROM images WHERE id = image_id), 0
        ) END
        """
    )


def downgrade() -> None:
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.drop_column("disk_gib")
