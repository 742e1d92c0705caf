"""The diary: runs each job at its time, one instance of it, and writes down how it went.

APScheduler keeps the time; what a person changed and what happened last is kept in the notebook, so after a
restart the diary continues. A job whose time passed while the daemon was away runs soon after the start, one whose
time passed while the machine slept soon after it wakes, once, with its lateness; or, where that is of no use,
an event says that it was missed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from apscheduler.events import (  # type: ignore[import-untyped]
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_SUBMITTED,
    JobSubmissionEvent,
)
from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]

from brain.nearest_name import did_you_mean
from daemon.errors import ConflictError, NotFoundError, UsageError
from daemon.events import Event, JobFailed, JobFinished, JobMissed
from daemon.schedule.job_registry import JobContext, JobEntry, registered_jobs
from daemon.schedule.trigger import Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from daemon.schedule.ports import Notebook, ScheduledWork

log = logging.getLogger(__name__)

GRACE_SECONDS = 60.0  # a job that begins within it is not late
OVERDUE_WAIT_SECONDS = 60.0
# The scheduler's timer stands still while the machine sleeps: so often it compares itself with the wall clock.
LOOK_EVERY_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """How a job went: `outcome` is its line, or the error's."""

    job: str
    ok: bool
    outcome: str
    seconds: float


@dataclass
class _Page:
    """The diary's page of one job."""

    entry: JobEntry
    trigger: Trigger
    paused: bool
    last_run: str | None
    last_outcome: str | None
    running: bool = False
    due: datetime | None = None  # when the run that is about to begin should have begun
    overdue: datetime | None = None  # missed while the daemon was away


class Diary:
    """All jobs of the daemon. Made and used on the supervisor's event loop.

    Args:
        work: what the daemon does when a job asks.
        notebook: where settings and outcomes survive; the store.
        emit: takes JobFinished and JobFailed.
        home: the home folder.
        clock: unix seconds.
        timezone: of cron; None is the machine's own.
        entries: the jobs; None takes those registered.
    """

    def __init__(
        self,
        *,
        work: ScheduledWork,
        notebook: Notebook,
        emit: Callable[[Event], object],
        home: Path,
        clock: Callable[[], float] = time.time,
        timezone: tzinfo | None = None,
        entries: Sequence[JobEntry] | None = None,
    ) -> None:
        self._context = JobContext(work=work, home=home, clock=clock)
        self._notebook = notebook
        self._emit = emit
        self._timezone = timezone
        # However late, `_keep` decides what is still of use.
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        # Triggers know the person's zone; moments are compared in UTC, where none comes twice.
        self._scheduler = AsyncIOScheduler(job_defaults=defaults, timezone=UTC)
        kept = notebook.jobs()
        chosen = registered_jobs() if entries is None else entries
        self._pages = {entry.name: _page(entry, kept.get(entry.name, {})) for entry in chosen}
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the scheduler; call it on the running event loop."""
        self._scheduler.add_listener(self._on_due, EVENT_JOB_SUBMITTED)
        self._scheduler.add_listener(self._on_still_running, EVENT_JOB_MAX_INSTANCES)
        self._scheduler.start(paused=True)
        for page in self._pages.values():
            self._enter(page)
        self._scheduler.resume()
        self._watch = asyncio.get_running_loop().create_task(self._watch_clock())

    def stop(self) -> None:
        """Start no further job; one that waits for something is cancelled."""
        if self._watch is not None:
            self._watch.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def jobs(self) -> list[dict[str, Any]]:
        """Every job in the API's form, with its trigger as text and as every_seconds or cron."""
        return [self._record(page) for page in self._pages.values()]

    def job(self, name: str) -> dict[str, Any]:
        """One job in the API's form.

        Raises:
            NotFoundError: with the nearest name that is one.
        """
        return self._record(self._find(name))

    def change(
        self,
        name: str,
        *,
        paused: bool | None = None,
        every_seconds: float | None = None,
        cron: str | None = None,
    ) -> dict[str, Any]:
        """Pause or continue a job, or give it another trigger; kept over restarts.

        Raises:
            NotFoundError: no such job.
            UsageError: nothing to change, or a trigger that cannot be.
        """
        page = self._find(name)
        if paused is None and every_seconds is None and cron is None:
            raise UsageError(f"nothing to change of job {name}: give paused, every_seconds or cron")
        if every_seconds is not None or cron is not None:
            try:
                page.trigger = Trigger(every_seconds=every_seconds, cron=cron)
            except UsageError as error:
                raise UsageError(f"job {name}: {error}") from error
        if paused is not None:
            page.paused = paused
        changed = None if page.trigger == page.entry.trigger else page.trigger.record()
        self._notebook.put_job(name, paused=page.paused, trigger=changed)
        if self._scheduler.running:
            self._enter(page, overdue=False)
        return self._record(page)

    async def run_now(self, name: str) -> JobOutcome:
        """Run a job at once, paused or not, and wait for it.

        Raises:
            NotFoundError: no such job.
            ConflictError: it is running already.
        """
        page = self._find(name)
        if page.running:
            raise ConflictError(f"job {name} is running already; wait for it to end")
        return await self._run(page)

    async def _run(self, page: _Page, *, late: float = 0.0) -> JobOutcome:
        name = page.entry.name
        page.running = True
        began = time.monotonic()
        page.last_run = datetime.fromtimestamp(self._context.clock(), UTC).isoformat()
        try:
            outcome, ok = await page.entry.run(self._context), True
        except Exception as error:  # whatever a job meets must not end the diary
            log.exception("Job %s failed", name)
            outcome, ok = str(error).partition("\n")[0] or type(error).__name__, False
        finally:
            page.running = False
        seconds = time.monotonic() - began
        outcome += f"; late by {in_words(late)}" if late else ""
        page.last_outcome = outcome if ok else f"failed: {outcome}"
        self._notebook.put_job(
            name, paused=page.paused, last_run=page.last_run, last_outcome=page.last_outcome
        )
        self._emit(
            JobFinished(job=name, outcome=outcome, seconds=seconds)
            if ok
            else JobFailed(job=name, error=outcome)
        )
        return JobOutcome(job=name, ok=ok, outcome=outcome, seconds=seconds)

    async def _keep(self, name: str) -> None:
        """The time of a job has come, or has passed."""
        page = self._pages[name]
        due, away = page.overdue or page.due, page.overdue is not None
        page.due = page.overdue = None
        late = 0.0 if due is None else self._context.clock() - due.timestamp()
        if late <= GRACE_SECONDS:
            late = 0.0
        if due is not None and late and not page.entry.late:
            self._miss(
                page, due, "the daemon was not running" if away else "the machine slept, or was too busy"
            )
        elif not page.running:
            await self._run(page, late=late)

    def _miss(self, page: _Page, due: datetime, reason: str) -> None:
        """Report that a job did not run at its time and will not until the next."""
        moment = due.astimezone(UTC).isoformat()
        late = self._context.clock() - due.timestamp()
        page.last_run, page.last_outcome = moment, f"missed: {reason}"
        self._notebook.put_job(
            page.entry.name, paused=page.paused, last_run=page.last_run, last_outcome=page.last_outcome
        )
        self._emit(JobMissed(job=page.entry.name, due=moment, late_seconds=late, reason=reason))

    async def _watch_clock(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            self._scheduler.wakeup()

    def _on_due(self, event: JobSubmissionEvent) -> None:
        """Just before a job runs: when it should have."""
        self._pages[event.job_id].due = event.scheduled_run_times[-1]

    def _on_still_running(self, event: JobSubmissionEvent) -> None:
        due = event.scheduled_run_times[-1].astimezone(UTC).isoformat()
        late = self._context.clock() - event.scheduled_run_times[-1].timestamp()
        reason = "the one before still ran"
        self._emit(JobMissed(job=event.job_id, due=due, late_seconds=late, reason=reason))

    def _enter(self, page: _Page, *, overdue: bool = True) -> None:
        """Put a job into the scheduler at its next time, or without one while it is paused."""
        trigger = page.trigger.build(self._timezone)
        name = page.entry.name
        chosen: dict[str, Any] = {"next_run_time": None} if page.paused else {}
        page.overdue = None
        if overdue and not page.paused:
            now = datetime.fromtimestamp(self._context.clock(), UTC)
            since = datetime.fromtimestamp(self._notebook.begun_at(), UTC)
            if page.last_run is not None:
                since = datetime.fromisoformat(page.last_run)
            since = min(since, now)  # the clock may have been wrong then
            due = trigger.get_next_fire_time(since, since)
            if due is not None:
                chosen["next_run_time"] = max(due, now + timedelta(seconds=OVERDUE_WAIT_SECONDS))
                page.overdue = due if due < now else None
        self._scheduler.add_job(self._keep, trigger, args=[name], id=name, replace_existing=True, **chosen)

    def _record(self, page: _Page) -> dict[str, Any]:
        kept = self._scheduler.get_job(page.entry.name) if self._scheduler.running else None
        next_run = kept.next_run_time if kept is not None else None
        return {
            "id": page.entry.name,
            "summary": page.entry.summary,
            "trigger": str(page.trigger),
            "every_seconds": page.trigger.every_seconds,
            "cron": page.trigger.cron,
            "next_run": None if next_run is None else next_run.astimezone(UTC).isoformat(),
            "paused": page.paused,
            "running": page.running,
            "last_run": page.last_run,
            "last_outcome": page.last_outcome,
        }

    def _find(self, name: str) -> _Page:
        if name not in self._pages:
            hint = did_you_mean(name, self._pages, otherwise=f"there are {', '.join(self._pages)}")
            raise NotFoundError(f"no job is called {name!r}{hint}")
        return self._pages[name]


def in_words(seconds: float) -> str:
    """A length of time as a person writes it.

    >>> in_words(16_260.0), in_words(93_600.0), in_words(75.0)
    ('4 h 31 min', '1 d 2 h', '1 min')
    """
    minutes = round(seconds / 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def _page(entry: JobEntry, kept: dict[str, Any]) -> _Page:
    trigger = entry.trigger
    if kept.get("trigger"):
        try:
            trigger = Trigger.from_record(kept["trigger"])
        except UsageError as error:
            log.warning(
                "Job %s: its kept trigger is not understood (%s); it takes its own", entry.name, error
            )
    return _Page(
        entry=entry,
        trigger=trigger,
        paused=bool(kept.get("paused", entry.paused)),
        last_run=kept.get("last_run"),
        last_outcome=kept.get("last_outcome"),
    )
