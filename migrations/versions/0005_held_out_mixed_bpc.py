"""Held-out loss of network and exact memory together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("evaluations", sa.Column("mixed_bpc", sa.Double()))


def downgrade() -> None:
    op.drop_column("evaluations", "mixed_bpc")
