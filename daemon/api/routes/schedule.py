"""The diary: what is done by the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from daemon.api.context import Context, ContextOf
from daemon.api.paging import Cursor, Limit, page_of
from daemon.api.shapes import Job, Operation, Page, Request
from daemon.errors import ConflictError

if TYPE_CHECKING:
    from daemon.schedule.diary import Diary

router = APIRouter(prefix="/schedule", tags=["schedule"])


class JobChange(Request):
    """What to change of a job."""

    paused: bool | None = None
    every_seconds: Annotated[float, Field(gt=0, le=366 * 86400, allow_inf_nan=False)] | None = None
    cron: Annotated[str, Field(min_length=1, max_length=100)] | None = None


@router.get("", response_model=Page[Job])
async def jobs(context: ContextOf, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Every job, when it runs next and how it went last."""
    return page_of(list(_diary(context).jobs()), cursor, limit)


@router.patch("/{job}", response_model=Job)
async def change(context: ContextOf, job: str, change: JobChange) -> Any:
    """Pause a job, continue it, or change when it runs."""
    return _diary(context).change(
        job, paused=change.paused, every_seconds=change.every_seconds, cron=change.cron
    )


@router.post("/{job}/run", status_code=202, response_model=Operation)
async def run(context: ContextOf, job: str) -> Any:
    """Run a job now."""
    return context.supervisor.jobs.run(_diary(context), job).view()


def _diary(context: Context) -> Diary:
    if context.diary is None:
        raise ConflictError("this daemon keeps no schedule")
    return context.diary
