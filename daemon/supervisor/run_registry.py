"""The runs this daemon has in memory, each in its state, and the lives of their trainers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from daemon.events import StateChanged

if TYPE_CHECKING:
    from daemon.checkpoint.resume_holds import Holds
    from daemon.supervisor.clock import Clock
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.publishing import Publisher
    from daemon.supervisor.run_rows import RunRows
    from daemon.supervisor.trainers import TrainerLife
    from daemon.trainer_protocol import RunState


class RunRegistry:
    """Finds runs, and makes every change of their states. Belongs to the event loop.

    Attributes:
        lives: by run, for runs that have a trainer, or will have one again in a moment.
    """

    def __init__(self, rows: RunRows, publisher: Publisher, holds: Holds, clock: Clock) -> None:
        self.lives: dict[str, TrainerLife] = {}
        self._runs: dict[str, LiveRun] = {}
        self._rows = rows
        self._publisher = publisher
        self._holds = holds
        self._clock = clock

    def __getitem__(self, run_id: str) -> LiveRun:
        """A run that is in memory."""
        return self._runs[run_id]

    def add(self, run: LiveRun) -> None:
        """Keep a run in memory."""
        self._runs[run.id] = run

    def forget(self, run_id: str) -> None:
        """Drop a run from memory."""
        self._runs.pop(run_id, None)

    def known(self) -> list[LiveRun]:
        """All runs in memory."""
        return list(self._runs.values())

    def active(self) -> list[LiveRun]:
        """Runs that have a trainer, or will have one again in a moment."""
        return [self._runs[run_id] for run_id in self.lives]

    async def find(self, run_id: str) -> LiveRun:
        """The run of that id, from memory or from the store.

        Raises:
            NotFoundError: there is none.
        """
        run = await self.look_up(run_id)
        if run is None:
            raise await asyncio.to_thread(self._rows.missing, run_id)
        return run

    async def look_up(self, run_id: str) -> LiveRun | None:
        """As `find`; None when there is none."""
        return self._runs.get(run_id) or await asyncio.to_thread(self._rows.load, run_id)

    async def current(self) -> LiveRun | None:
        """The run a person means who names none: the learning one, else the newest."""
        active = self.active()
        if active:
            return active[0]
        newest = await asyncio.to_thread(self._rows.newest_id)
        return await self.find(newest) if newest else None

    def show(self, run: LiveRun) -> None:
        """Save a run as it is now, and publish it."""
        self._rows.save(run)
        self._publisher.publish_run(run)

    def change_state(self, run: LiveRun, state: RunState, reason: str, *, announce: bool = False) -> None:
        """Move a run to a state, as an event; `announce` publishes the run even when it is there already."""
        before = run.state
        if before is state and not announce:
            return
        run.state, run.reason = state, reason or None
        self._rows.save(run)
        if state.ended:
            self._holds.release(run.id)
        if before is not state:
            self._publisher.publish(
                run, StateChanged(before=str(before), after=str(state), reason=reason, step=run.step)
            )
        self._publisher.publish_run(run)

    def end(self, run: LiveRun, state: RunState, reason: str) -> None:
        """End a run that has no trainer and gets none."""
        run.ended_at, run.degraded = self._clock.now(), None
        self.change_state(run, state, reason)
