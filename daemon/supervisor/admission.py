"""Whether a run may begin, and when: at once, after the learning one, or not at all (409)."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.config.data_paths import require_data
from daemon.config.setting_upgrades import config_to_dict
from daemon.errors import ConflictError
from daemon.supervisor.live_run import LiveRun
from daemon.supervisor.run_queue import RunQueue
from daemon.system.escaping import typeable
from daemon.trainer_protocol import RunState, TrainerOrder

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.config.tree import RunConfig
    from daemon.events import Event
    from daemon.supervisor.clock import Clock
    from daemon.supervisor.found_checkpoint import FoundCheckpoint
    from daemon.supervisor.publishing import Publisher
    from daemon.supervisor.requests import ResumeRequest, StartRequest
    from daemon.supervisor.run_checkpoints import RunCheckpoints
    from daemon.supervisor.run_registry import RunRegistry
    from daemon.supervisor.run_rows import RunRows
    from daemon.supervisor.trainers import Trainers

SETTLE_SECONDS = 2.0
STOPPING = "the daemon is stopping; start it again first"


class Admission:
    """Starts and resumes runs, or queues them.

    Args:
        settle: waits at most this many seconds until what was recorded is on disk.

    Attributes:
        lock: held while a run is begun, or must not be.
    """

    def __init__(
        self,
        runs: RunRegistry,
        rows: RunRows,
        *,
        settle: Callable[[float], object],
        home: Path,
        checkpoints: RunCheckpoints,
        trainers: Trainers,
        publisher: Publisher,
        clock: Clock,
        max_active_runs: int,
    ) -> None:
        self.lock = asyncio.Lock()
        self._runs = runs
        self._rows = rows
        self._settle = settle
        self._home = home
        self._checkpoints = checkpoints
        self._trainers = trainers
        self._publisher = publisher
        self._clock = clock
        self._max_active_runs = max_active_runs
        self._queue = RunQueue()
        self._begun = asyncio.Event()
        self._closed = False

    async def start(self, request: StartRequest) -> LiveRun:
        """Begin a new run.

        Raises:
            ConflictError: when as many runs learn as may, and `queue` is not asked for.
            UsageError: when its data is not there.
        """
        async with self.lock:
            self._check_room(queue=request.queue)
            require_data(request.config.stream, home=self._home)
            run = self._new_run(request.config, request.name)
            order = TrainerOrder(home=self._home, run_id=run.id, session=1, config=run.config)
            await self._launch_recorded(run, order)
        return run

    async def resume(self, request: ResumeRequest) -> LiveRun:
        """Continue from a checkpoint: the newest of a run continues that run, an older one forks a new run.

        Raises:
            NotFoundError: no such checkpoint.
            CheckpointError: it is damaged, or there is none.
            ConflictError: as `start`; or the checkpoint is the newest of a run that learns or waits already.
        """
        async with self.lock:
            self._check_room(queue=request.queue)
            found = await self._find_checkpoint(request)
            config = request.config_over(found.config, origin=f"checkpoint {found.name}")
            require_data(config.stream, home=self._home)
            source = None if found.run is None else await self._runs.look_up(found.run)
            self._check_room(queue=request.queue)  # things may have changed while the checkpoint was read
            run, order = self._order_from(found, request, config, source)
            await asyncio.to_thread(self._checkpoints.holds.keep, run.id, found.path.with_name(found.name))
            await self._launch_recorded(run, order)
            return run

    async def wait_begun(self, run_id: str) -> None:
        """Return once a trainer is started for the run again."""
        while run_id not in self._runs.lives:
            self._begun.clear()
            await self._begun.wait()

    # -- the queue -------------------------------------------------------------------------------------------

    def is_queued(self, run_id: str) -> bool:
        """Whether a run is in the queue."""
        return run_id in self._queue

    def leave_queue(self, run: LiveRun) -> None:
        """Take a run out of the queue and end it."""
        self._queue.remove(run.id)
        self._runs.end(run, RunState.STOPPED, "left the queue")

    def begin_queued(self) -> None:
        """Start the runs that have waited longest, as many as there is room for."""
        while self._queue and self._has_room() and not self._closed:
            order = self._queue.take()
            self._launch(self._runs[order.run_id], order)

    def close(self) -> None:
        """Start nothing any more and empty the queue, which lasts only as long as the daemon."""
        self._closed = True
        for run_id in self._queue.clear():
            self._runs.end(self._runs[run_id], RunState.STOPPED, "left the queue: the daemon stopped")

    # -- within ----------------------------------------------------------------------------------------------

    def _check_room(self, *, queue: bool) -> None:
        if self._closed:
            raise ConflictError(STOPPING)
        if not queue and not self._has_room():
            busy = self._runs.active()[0]
            raise ConflictError(
                f"{busy.id} ({busy.name}) is {busy.state}; one run learns at a time: "
                "stop it first, or queue this one"
            )

    def _check_idle(self, run_id: str) -> None:
        """One run is one line of learning: it cannot be started beside itself."""
        if run_id in self._queue:
            raise ConflictError(
                f"{run_id} waits in the queue already; take it out first: synapsed stop --run {run_id} --keep-serving"
            )
        if run_id in self._runs.lives:
            state = self._runs[run_id].state
            raise ConflictError(
                f"{run_id} is {state} already; resume one of its older checkpoints to fork it"
            )

    def _has_room(self) -> bool:
        return len(self._runs.lives) < self._max_active_runs

    async def _find_checkpoint(self, request: ResumeRequest) -> FoundCheckpoint:
        """The checkpoint a person means; damaged ones that were set aside on the way are published."""
        events: list[Event] = []
        try:
            return await asyncio.to_thread(
                self._checkpoints.find,
                request.checkpoint,
                by_id_only=request.by_id_only,
                emit=events.append,
            )
        finally:
            for event in events:
                self._publisher.publish(None, event)

    def _order_from(
        self, found: FoundCheckpoint, request: ResumeRequest, config: RunConfig, source: LiveRun | None
    ) -> tuple[LiveRun, TrainerOrder]:
        """The run that continues from a checkpoint, and its trainer's order; `source` is the checkpoint's run."""
        continues = found.run is not None and found.newest and not request.fork
        if found.run is not None and continues:
            self._check_idle(found.run)
            run = source or self._new_run(config, request.name, run_id=found.run)
            run.config = config_to_dict(config)
        else:
            run = self._new_run(config, request.name)
            run.parent = {"run": found.run, "step": found.step} if found.run else None
        run.step, run.samples = found.step, found.samples
        run.checkpoint, run.checkpoint_step = found.name, found.step
        self._runs.add(run)
        fork_of = None if continues else found.run
        return run, TrainerOrder(
            home=self._home,
            run_id=run.id,
            session=run.session + 1,
            config=run.config,
            checkpoint=found.path,
            fall_back=fork_of is None,
            newest=fork_of is None,
            fork_of=fork_of,
            limits_from_checkpoint=not request.own_limits,
        )

    def _new_run(self, config: RunConfig, name: str | None, *, run_id: str | None = None) -> LiveRun:
        now = self._clock.now()
        preset = Path(config.preset).stem
        run = LiveRun(
            id=run_id or f"r-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
            name=typeable(name or "") or typeable(f"{preset} {now:%Y-%m-%d %H:%M}"),
            config=config_to_dict(config),
            created_at=now,
        )
        self._runs.add(run)
        self._rows.create(run)
        return run

    async def _launch_recorded(self, run: LiveRun, order: TrainerOrder) -> None:
        """Launch a run once it is on disk: should the daemon die now, the next one knows of it."""
        await asyncio.to_thread(self._settle, SETTLE_SECONDS)  # a stalled disk is not waited for
        if self._closed:  # meanwhile
            self._runs.end(run, RunState.STOPPED, "the daemon stopped before it began")
            raise ConflictError(STOPPING)
        self._launch(run, order)

    def _launch(self, run: LiveRun, order: TrainerOrder) -> None:
        if not self._has_room():
            self._queue.add(order)
            self._runs.change_state(run, RunState.QUEUED, "waits for the learning run to end", announce=True)
            return
        self._trainers.begin(run, order)
        self._begun.set()
