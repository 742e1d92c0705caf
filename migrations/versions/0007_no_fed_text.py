"""No text that a run was fed, nor what it answered, in events and kept answers: forgetting did not reach them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

events = sa.table(
    "events",
    sa.column("seq", sa.BigInteger),
    sa.column("kind"),
    sa.column("message"),
    sa.column("data", sa.JSON),
)
answers = sa.table("answers", sa.column("endpoint"))


def upgrade() -> None:
    connection = op.get_bind()
    fed = sa.select(events.c.seq, events.c.data).where(events.c.kind == "experience_pushed")
    for seq, data in connection.execute(fed).all():
        kept = {name: value for name, value in (data or {}).items() if name != "excerpt"}
        message = (
            f"{kept.get('num_bytes', 0):,} bytes of text were fed (from {kept.get('origin', 'outside')})"
        )
        changed = sa.update(events).where(events.c.seq == seq).values(data=kept, message=message)
        connection.execute(changed)
    for question in ("generate", "remembers"):
        connection.execute(sa.delete(answers).where(answers.c.endpoint.like(f"%/{question}")))


def downgrade() -> None:
    """What was taken out is gone."""
