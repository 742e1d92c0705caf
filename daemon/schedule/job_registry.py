"""The jobs by name. A new job is one new file in daemon/schedule/jobs; the folder is discovered."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from brain.errors import DuplicateNameError
from daemon.schedule.trigger import Trigger

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.schedule.ports import ScheduledWork

FOLDER = "daemon.schedule.jobs"


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """What a job may use.

    Attributes:
        work: what the daemon does when asked.
        home: the home folder.
        clock: unix seconds.
    """

    work: ScheduledWork
    home: Path
    clock: Callable[[], float]


Run = Callable[[JobContext], Awaitable[str]]


@dataclass(frozen=True, kw_only=True)
class JobEntry:
    """One job: what it is called, what it does in a line, when it runs by default, and how.

    `paused`: it waits until a person continues it. `late`: it is still of use when its time was slept through.
    """

    name: str
    summary: str
    trigger: Trigger
    run: Run
    paused: bool = False
    late: bool = True


_entries: dict[str, JobEntry] = {}


def job(
    name: str,
    *,
    summary: str,
    every_seconds: float | None = None,
    cron: str | None = None,
    paused: bool = False,
    late: bool = True,
) -> Callable[[Run], Run]:
    """Decorator that enters a job under `name`, with its default trigger.

    Raises:
        DuplicateNameError: if another job has the name already.
    """

    def enter(run: Run) -> Run:
        taken = _entries.get(name)
        if taken is not None and taken.run.__module__ != run.__module__:
            raise DuplicateNameError(
                f"two jobs are called {name!r}: {taken.run.__module__} and {run.__module__}; rename one"
            )
        trigger = Trigger(every_seconds=every_seconds, cron=cron)
        _entries[name] = JobEntry(
            name=name, summary=summary, trigger=trigger, run=run, paused=paused, late=late
        )
        return run

    return enter


def registered_jobs() -> list[JobEntry]:
    """All jobs, by name."""
    package = importlib.import_module(FOLDER)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{FOLDER}.{module.name}")
    return [_entries[name] for name in sorted(_entries)]
