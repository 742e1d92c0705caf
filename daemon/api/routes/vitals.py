"""Vital signs: what each is called and means, its healthy band, and every measurement of a run."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query

from brain.vitals.sign_registry import describe_vitals
from daemon.api.context import HistoryPort, RunsPort
from daemon.api.list_pages import PRINTABLE, Cursor, Limit, page_of
from daemon.api.shapes import Page, Reading, VitalItem
from daemon.config.loading import config_from_dict

router = APIRouter(tags=["vitals"])

Run = Annotated[
    str | None, Query(max_length=200, pattern=PRINTABLE, description="With the bands of this run.")
]
Name = Annotated[str | None, Query(max_length=80, pattern=PRINTABLE, description="Only of this vital sign.")]


@router.get("/vitals", response_model=Page[VitalItem])
async def vitals(runs: RunsPort, run: Run = None, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Every vital sign with its healthy band: a project convention, adjustable per run (`vitals.bands`)."""
    config = None
    if run is not None:
        found = await runs.find(run)
        config = config_from_dict(found.config, origin=f"run {run}").vitals
    return page_of(describe_vitals(config), cursor, limit)


@router.get("/runs/{run_id}/readings", response_model=Page[Reading])
async def readings(
    runs: RunsPort,
    history: HistoryPort,
    run_id: str,
    *,
    name: Name = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """Measurements of a run, newest first, each with raw estimate, uncertainty, samples, version and cost."""
    await runs.find(run_id)
    page = await asyncio.to_thread(history.readings, run_id, name=name, cursor=cursor, limit=limit)
    return {"items": page.items, "next": page.next}
