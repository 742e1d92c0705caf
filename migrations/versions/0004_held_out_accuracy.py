"""Held-out accuracy of brains that predict labels, and over how many examples."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("evaluations", sa.Column("accuracy", sa.Double()))
    op.add_column("evaluations", sa.Column("examples", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("evaluations", "examples")
    op.drop_column("evaluations", "accuracy")
