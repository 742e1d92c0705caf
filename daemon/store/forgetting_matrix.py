"""The forgetting matrix as the API hands it out: a column of steps and losses for each source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from daemon.store.queries import not_superseded
from daemon.store.tables import forgetting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

COLUMNS = ("step", "bpc", "smooth", "forgetting")


def read_forgetting(connection: Connection, run: str, *, limit: int) -> dict[str, dict[str, list[Any]]]:
    """The newest rows of the matrix, at most `limit` over all sources: source → columns, oldest first."""
    newest = (
        sa.select(forgetting)
        .where(forgetting.c.run == run, not_superseded(forgetting))
        .order_by(forgetting.c.step.desc(), forgetting.c.key.desc())
        .limit(limit)
    )
    matrix: dict[str, dict[str, list[Any]]] = {}
    for row in reversed(connection.execute(newest).all()):
        columns = matrix.setdefault(row.source, {name: [] for name in COLUMNS})
        for name in COLUMNS:
            columns[name].append(getattr(row, name))
    return dict(sorted(matrix.items()))


def probe_losses(points: Iterable[tuple[str, int, float, float]]) -> list[dict[str, Any]]:
    """Rows of the matrix from a report's points, one for each source and step.

    >>> probe_losses([("probe_bpc/a", 5, 0.0, 2.5), ("probe_smooth/a", 5, 0.0, 2.4), ("bpc", 5, 0.0, 1.0)])
    [{'source': 'a', 'step': 5, 'time': 0.0, 'bpc': 2.5, 'smooth': 2.4}]
    """
    names = {"probe_bpc": "bpc", "probe_smooth": "smooth", "forgetting": "forgetting"}
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for metric, step, time, value in points:
        name, slash, source = metric.partition("/")
        if slash and name in names:
            row = rows.setdefault((source, step), {"source": source, "step": step, "time": time})
            row[names[name]] = value
    return list(rows.values())
