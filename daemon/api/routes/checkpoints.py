"""Checkpoints: what can be resumed. Named by id only; an id can never lead out of their folder."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from daemon.api.context import AdmissionPort, CheckpointsPort, DeletingPort, RunsPort
from daemon.api.list_pages import PRINTABLE, Cursor, Limit, page_after
from daemon.api.shapes import Checkpoint, FullCheckpoint, FullRun, Hours, Name, Page, Request, Settings, Steps
from daemon.supervisor.requests import ResumeRequest

router = APIRouter(prefix="/checkpoints", tags=["checkpoints"])


class Resumption(Request):
    """How to resume; everything left out is as it was."""

    hours: Hours | None = None
    steps: Steps | None = None
    config: Settings | None = None
    name: Name | None = None
    queue: bool = False


@router.get("", response_model=Page[Checkpoint])
async def checkpoints(
    runs: RunsPort,
    on_disk: CheckpointsPort,
    run: Annotated[str | None, Query(max_length=200, pattern=PRINTABLE)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """Checkpoints on disk, newest first."""
    found = await asyncio.to_thread(on_disk.listed, run)
    if run is not None and not found:
        await runs.find(run)
    return page_after(found, cursor, limit)


@router.get("/{checkpoint_id}", response_model=FullCheckpoint)
async def checkpoint(on_disk: CheckpointsPort, checkpoint_id: str) -> Any:
    """A checkpoint with its manifest."""
    return await asyncio.to_thread(on_disk.one, checkpoint_id)


@router.delete("/{checkpoint_id}", status_code=204)
async def delete(deleting: DeletingPort, checkpoint_id: str) -> Response:
    """Delete a checkpoint; 409 for pinned ones and the only verified one."""
    await deleting.checkpoint(checkpoint_id)
    return Response(status_code=204)


@router.post("/{checkpoint_id}/pin", response_model=Checkpoint)
async def pin(on_disk: CheckpointsPort, checkpoint_id: str) -> Any:
    """Keep a checkpoint until it is unpinned."""
    return await asyncio.to_thread(on_disk.pin, checkpoint_id, pinned=True)


@router.post("/{checkpoint_id}/unpin", response_model=Checkpoint)
async def unpin(on_disk: CheckpointsPort, checkpoint_id: str) -> Any:
    """Leave a checkpoint to the retention rules again."""
    return await asyncio.to_thread(on_disk.pin, checkpoint_id, pinned=False)


@router.post("/{checkpoint_id}/resume", status_code=201, response_model=FullRun)
async def resume(
    admission: AdmissionPort, checkpoint_id: str, response: Response, how: Resumption | None = None
) -> Any:
    """Resume a checkpoint: the newest of a run continues it, an older one forks a new run."""
    how = how or Resumption()
    request = ResumeRequest(
        checkpoint=checkpoint_id,
        overrides=how.config or {},
        hours=how.hours,
        steps=how.steps,
        name=how.name,
        by_id_only=True,
        queue=how.queue,
    )
    run = await admission.resume(request)
    response.headers["Location"] = f"/api/v1/runs/{run.id}"
    return run.view()
