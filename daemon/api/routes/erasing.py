"""Erasing on purpose what a run has read: a text, a source, or all since a time."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from daemon.api.context import HistoryPort, RunsPort, SteeringPort
from daemon.api.shapes import Operation, Request
from daemon.errors import UsageError
from daemon.orders import PUSH_LIMIT_BYTES, Forget
from daemon.since import step_since

router = APIRouter(prefix="/runs", tags=["runs"])

Since = Annotated[str, Field(min_length=1, max_length=100)]


class Wanted(Request):
    """What is to be forgotten: exactly one of `text`, `source` and `since`."""

    text: Annotated[str, Field(min_length=1, max_length=PUSH_LIMIT_BYTES)] | None = None
    source: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    since: Since | None = Field(
        None, description="A step (1200), a time (ISO 8601), or how long ago (90m, 2h, 3d)."
    )
    dry_run: bool = Field(False, description="Count what is there of it; forget nothing.")


class Step(BaseModel):
    """The first step that a run experienced since a moment."""

    step: int


@router.post("/{run_id}/forget", status_code=202, response_model=Operation)
async def forget(
    steering: SteeringPort, history: HistoryPort, run_id: str, wanted: Wanted, response: Response
) -> Any:
    """Forget on purpose; the operation is done once a checkpoint holds the run without it and the disk is erased.

    409 if it matches nothing, or no trainer of the run is alive: of a stopped run the command
    `synapsed forget` makes a new checkpoint.
    """
    if sum(one is not None for one in (wanted.text, wanted.source, wanted.since)) != 1:
        raise UsageError("name exactly one of text, source and since", path="text")
    if wanted.text is not None and len(wanted.text.encode()) > PUSH_LIMIT_BYTES:
        raise UsageError(
            f"text: more than {PUSH_LIMIT_BYTES // 1024} KiB; forget its source, or parts", path="text"
        )
    since = None
    if wanted.since is not None:
        since = await asyncio.to_thread(step_since, wanted.since, lambda time: history.step_at(run_id, time))
    order = Forget(
        text=wanted.text,
        source=wanted.source,
        since_step=since,
        asked=wanted.since or "",
        dry_run=wanted.dry_run,
    )
    operation = await steering.act(run_id, order)
    response.headers["Location"] = f"/api/v1/operations/{operation.id}"
    return operation.view()


@router.get("/{run_id}/step-since", response_model=Step)
async def first_step(
    runs: RunsPort,
    history: HistoryPort,
    run_id: str,
    since: Annotated[str, Query(min_length=1, max_length=100)],
) -> Any:
    """Which step a time means; it only asks."""
    await runs.find(run_id)
    step = await asyncio.to_thread(step_since, since, lambda time: history.step_at(run_id, time))
    return {"step": step}
