"""Events: what happened, of one run or of all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query

from daemon.api.context import HistoryPort, RunsPort
from daemon.api.list_pages import PRINTABLE, Cursor, Limit
from daemon.api.shapes import Event, Page
from daemon.api.wire_json import Json

if TYPE_CHECKING:
    from daemon.api.ports import History

router = APIRouter(tags=["events"])

FLUSH_SECONDS = 2.0

After = Annotated[int | None, Query(ge=0, lt=2**63, description="Only later events, oldest first.")]
Kind = Annotated[str | None, Query(max_length=80, pattern=PRINTABLE, description="Only events of this kind.")]


@router.get("/runs/{run_id}/events", response_model=Page[Event])
async def of_run(
    runs: RunsPort,
    history: HistoryPort,
    run_id: str,
    *,
    after: After = None,
    kind: Kind = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """Events of a run, newest first; with `after`, oldest first."""
    await runs.find(run_id)
    return await _page(history, run_id, after=after, kind=kind, cursor=cursor, limit=limit)


@router.get("/events", response_model=Page[Event])
async def of_all(
    history: HistoryPort, *, after: After = None, kind: Kind = None, cursor: Cursor = None, limit: Limit = 50
) -> Any:
    """Events of all runs, newest first; with `after`, oldest first."""
    return await _page(history, None, after=after, kind=kind, cursor=cursor, limit=limit)


async def _page(
    history: History,
    run_id: str | None,
    *,
    after: int | None,
    kind: str | None,
    cursor: str | None,
    limit: int,
) -> Json:
    def read() -> Any:
        history.flush(FLUSH_SECONDS)  # who asks after doing something expects to see it
        return history.events(run_id, after=after, kind=kind, cursor=cursor, limit=limit)

    page = await asyncio.to_thread(read)
    return Json({"items": page.items, "next": page.next})
