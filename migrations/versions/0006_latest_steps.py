"""The step at which each newest value of a run was measured."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("latest_steps", sa.JSON()))


def downgrade() -> None:
    op.drop_column("runs", "latest_steps")
