"""Alarms: what a vital sign warns of, why, and what to do; listed and acknowledged."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query

from daemon.api.context import AcknowledgingPort, AlarmsPort, RunsPort
from daemon.api.list_pages import PRINTABLE, Cursor, Limit
from daemon.api.shapes import Alarm, Page
from daemon.api.wire_json import Json

router = APIRouter(prefix="/alarms", tags=["vitals"])


@router.get("", response_model=Page[Alarm])
async def alarms(
    runs: RunsPort,
    stored: AlarmsPort,
    *,
    run: Annotated[
        str | None, Query(max_length=200, pattern=PRINTABLE, description="Of this run alone.")
    ] = None,
    active: Annotated[bool, Query(description="Only those that are still raised.")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """Alarms, newest first."""
    items, following = await asyncio.to_thread(stored.listed, run, active=active, cursor=cursor, limit=limit)
    if run is not None and not items:
        await runs.find(run)
    return Json({"items": items, "next": following})


@router.post("/{alarm_id}/acknowledge", response_model=Alarm)
async def acknowledge(acknowledging: AcknowledgingPort, alarm_id: str) -> Any:
    """Note that a person has seen it; it stays raised until it no longer holds."""
    return await acknowledging.alarm(alarm_id)
