"""From which step on a curve has its own rows: older ones may have been thinned to rollups, those to coarser ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from daemon.store.rollups import COARSE, FINE, Span
from daemon.store.tables import metrics, points, rollups

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection


def raw_floor(connection: Connection, spans: Iterable[Span], rolled_to: int, metric: int | None) -> int:
    """First step, on a bucket's edge, from which on all rows of single steps are there.

    Args:
        connection: to read on.
        spans: the valid spans of the run, in order.
        rolled_to: below it rollups are whole.
        metric: a sparse one; None for the wide rows of the hot ones.
    """
    table = metrics if metric is None else points
    for span in spans:
        inside = [table.c.session == span.session, table.c.step >= span.start, table.c.step < span.end]
        if metric is not None:
            inside.append(table.c.metric == metric)
        first = connection.execute(sa.select(table.c.step).where(*inside).order_by(table.c.step).limit(1))
        if (step := first.scalar()) is not None:
            return min(int(step), rolled_to) // FINE * FINE
    return rolled_to


def fine_floor(connection: Connection, run_key: int, rolled_to: int, metric: int) -> int:
    """First step, on a coarse bucket's edge, from which on all fine rollups of a metric are there."""
    table = rollups.c
    first = (
        sa.select(table.start)
        .where(table.run == run_key, table.metric == metric, table.level == FINE)
        .order_by(table.start)
        .limit(1)
    )
    step = connection.execute(first).scalar()
    return (rolled_to if step is None else int(step)) // COARSE * COARSE
