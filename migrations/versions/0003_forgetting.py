"""The forgetting matrix: the frozen probe of each source over the steps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# SQLite numbers rows by itself only for a column of exactly this type.
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "forgetting",
        sa.Column("key", Key),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("bpc", sa.Double()),
        sa.Column("smooth", sa.Double()),
        sa.Column("forgetting", sa.Double()),
        sa.PrimaryKeyConstraint("key", name="pk_forgetting"),
    )
    op.create_index("ix_forgetting_run_step", "forgetting", ["run", "step"])


def downgrade() -> None:
    op.drop_table("forgetting")
