"""What the diary asks of the daemon, and what it keeps its notes in. The supervisor gives both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class ScheduledWork(Protocol):
    """The work behind the jobs. Each answers in a line; an error's message becomes the outcome."""

    async def evaluate(self) -> str:
        """Score the whole held-out set with the brain that is learning, if one is."""

    async def sleep(self) -> str:
        """Put the brain that is learning to sleep, if one is."""

    async def backup(self, path: Path) -> int:
        """Copy the database to `path`, whole or not at all; bytes of the copy."""

    async def prune(self) -> str:
        """Bring what grows in the home within its bounds: checkpoints, memories, caches, rows, old answers."""

    async def upkeep(self) -> str:
        """Tidy and check the database."""


class Notebook(Protocol):
    """Where a job's settings and its last outcome survive a restart; the store is one."""

    def jobs(self) -> dict[str, dict[str, Any]]:
        """By job: paused, trigger (every_seconds or cron in a dict), last_run (ISO 8601), last_outcome."""

    def begun_at(self) -> float:
        """Since when there is this notebook, in unix seconds; what was due since then and never ran was missed."""

    def put_job(self, job: str, **values: Any) -> None:
        """Change some of these."""
