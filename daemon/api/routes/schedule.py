"""The diary: what is done by the clock."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from daemon.api.context import JobRunnerPort, SchedulePort
from daemon.api.list_pages import Cursor, Limit, page_of
from daemon.api.shapes import Job, Operation, Page, Request

router = APIRouter(prefix="/schedule", tags=["schedule"])


class JobChange(Request):
    """What to change of a job."""

    paused: bool | None = None
    every_seconds: Annotated[float, Field(gt=0, le=366 * 86400, allow_inf_nan=False)] | None = None
    cron: Annotated[str, Field(min_length=1, max_length=100)] | None = None


@router.get("", response_model=Page[Job])
async def jobs(schedule: SchedulePort, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Every job, when it runs next and how it went last."""
    return page_of(list(schedule.jobs()), cursor, limit)


@router.patch("/{job}", response_model=Job)
async def change(schedule: SchedulePort, job: str, change: JobChange) -> Any:
    """Pause a job, continue it, or change when it runs."""
    return schedule.change(job, paused=change.paused, every_seconds=change.every_seconds, cron=change.cron)


@router.post("/{job}/run", status_code=202, response_model=Operation)
async def run(job_runner: JobRunnerPort, job: str) -> Any:
    """Run a job now."""
    return job_runner.run(job).view()
