"""Which step a run had come to at a moment, by the times of its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from daemon.store.tables import metrics, rollups, runs, sessions

if TYPE_CHECKING:
    from sqlalchemy import Connection


def read_step_at(connection: Connection, run: str, time: float) -> int | None:
    """The newest step that is timed at or before unix seconds; None without any."""
    own = sa.select(sessions.c.key).where(sessions.c.run == run)
    key = sa.select(runs.c.key).where(runs.c.id == run).scalar_subquery()
    found = []
    for table, condition in ((metrics, metrics.c.session.in_(own)), (rollups, rollups.c.run == key)):
        wanted = (
            sa.select(table.c.time, table.c.step)
            .where(condition, table.c.time <= time)
            .order_by(table.c.time.desc())
            .limit(1)
        )
        if (row := connection.execute(wanted).first()) is not None:
            found.append((float(row.time), int(row.step)))
    return max(found)[1] if found else None
