"""When the newest sample was written: its step and time beside the text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("sample_step", sa.BigInteger()))
    op.add_column("runs", sa.Column("sample_time", sa.Double()))


def downgrade() -> None:
    op.drop_column("runs", "sample_time")
    op.drop_column("runs", "sample_step")
