"""Forgetting: how far each source's frozen probe is above its best."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from daemon.api.context import HistoryPort, RunsPort
from daemon.api.wire_json import Json

router = APIRouter(prefix="/runs", tags=["numbers"])


class ProbeColumns(BaseModel):
    """One source of the matrix: columns of equal length, oldest first, losses in bits per byte."""

    step: list[int]
    bpc: list[float | None]
    smooth: list[float | None]
    forgetting: list[float | None]


class Forgetting(BaseModel):
    """Over all sources learned from, null before any was measured; and the matrix behind it."""

    mean: float | None
    worst: float | None
    backward_transfer: float | None
    stability_gap: float | None
    sources: dict[str, ProbeColumns]


@router.get("/{run_id}/forgetting", response_model=Forgetting)
async def forgetting(
    runs: RunsPort,
    history: HistoryPort,
    run_id: str,
    rows: Annotated[int, Query(ge=1, le=100_000, description="Most rows to return, the newest.")] = 5000,
) -> Any:
    """Forgetting of a run by source, with the mean, the worst, backward transfer and the stability gap."""
    run = await runs.find(run_id)
    sources = await asyncio.to_thread(history.forgetting, run_id, limit=rows)
    return Json({**run.forgetting(), "sources": sources})
