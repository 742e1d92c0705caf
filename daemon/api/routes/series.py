"""Series and evaluations: the numbers of a run over its steps."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query

from daemon.api.context import HistoryPort, RunsPort
from daemon.api.list_pages import Cursor, Limit
from daemon.api.shapes import Evaluation, Page, Series
from daemon.api.wire_json import Json
from daemon.errors import UsageError

router = APIRouter(prefix="/runs", tags=["numbers"])

Step = Annotated[int | None, Query(ge=0, lt=2**53)]
MAX_METRICS = 50
COLUMNS = ("step", "time", "min", "max", "mean", "last", "n")


@router.get("/{run_id}/series", response_model=Series)
async def series(
    runs: RunsPort,
    history: HistoryPort,
    run_id: str,
    *,
    metrics: Annotated[str, Query(max_length=2000, description="Names with commas between.")] = "bpc",
    start: Annotated[Step, Query(alias="from", description="First step.")] = None,
    end: Annotated[Step, Query(alias="to", description="Last step.")] = None,
    points: Annotated[int, Query(ge=1, le=10_000, description="Most buckets to return.")] = 1000,
) -> Any:
    """Metrics over steps: min, max, mean, last and n of each bucket."""
    await runs.find(run_id)
    names = metric_names(metrics)
    if start is not None and end is not None and end < start:
        raise UsageError(f"to = {end}: a step from {start} (from) on is expected", path="to")
    found = await asyncio.to_thread(history.series, run_id, names, start=start, end=end, points=points)
    return Json(found or without_points(run_id, names))


def without_points(run_id: str, names: list[str]) -> dict[str, Any]:
    """Curves of a run that was created an instant ago: the store does not know it yet."""
    columns: dict[str, list[float]] = {name: [] for name in COLUMNS}
    return {"run": run_id, "exact": True, "resolution": 1, "metrics": dict.fromkeys(names, columns)}


def metric_names(metrics: str) -> list[str]:
    """The names in a list with commas between, each once.

    Raises:
        UsageError: one is empty or holds what no name can, or there are too many.
    """
    names = list(dict.fromkeys(name.strip(" ") for name in metrics.split(",")))
    if len(names) > MAX_METRICS or not all(names):
        raise UsageError(
            f"metrics: 1 to {MAX_METRICS} names with commas between, such as metrics=bpc,phi", path="metrics"
        )
    if strange := [name for name in names if not name.isprintable()]:
        raise UsageError(f"metrics: no metric is called {strange[0]!r}", path="metrics")
    return names


@router.get("/{run_id}/evaluations", response_model=Page[Evaluation])
async def evaluations(
    runs: RunsPort, history: HistoryPort, run_id: str, cursor: Cursor = None, limit: Limit = 50
) -> Any:
    """Held-out loss by source, newest first."""
    await runs.find(run_id)
    page = await asyncio.to_thread(history.evaluations, run_id, cursor=cursor, limit=limit)
    return Json({"items": page.items, "next": page.next})
