"""Runs from their first step to their last: the supervisor starts, resumes, steers and ends them."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.config.data_paths import require_data
from daemon.config.upgrades import config_to_dict
from daemon.errors import ConflictError, NotFoundError, TrainerLostError
from daemon.orders import Feed, Stop
from daemon.protocol import Command, RunState, TrainerOrder
from daemon.supervisor.clock import Clock, SystemClock
from daemon.supervisor.ending import Stops
from daemon.supervisor.live_run import LiveRun
from daemon.supervisor.operations import Operation, Operations, wait_for
from daemon.supervisor.run_queue import RunQueue
from daemon.supervisor.trainers import TRAINER, Newsroom, TrainerLife, trainer_life
from daemon.system.escaping import typeable

if TYPE_CHECKING:
    from daemon.config.tree import RunConfig
    from daemon.home import Home
    from daemon.orders import Generate, Order, ViewGrowth
    from daemon.schedule.diary import Diary
    from daemon.supervisor.audiences.audience import Audience
    from daemon.supervisor.children.life import LifeSettings
    from daemon.supervisor.ledger import Ledger
    from daemon.supervisor.requests import ResumeRequest, StartRequest

# Their answer depends on the brain: it is waited for, so that a refusal is a 409 and not a failed operation.
ASKED_FIRST = frozenset({"grow", "sleep", "evaluate"})
ASKED_FIRST_SECONDS = 10.0
JOB_TIMEOUT_SECONDS = 6 * 3600.0
PUSH_LIMIT_BYTES = 1024 * 1024
STOPPING = "the daemon is stopping; start it again first"


class Supervisor:
    """Everything asked of runs comes through here, in one event loop.

    Every method that names a run raises NotFoundError when there is none of that id.
    """

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        *,
        clock: Clock | None = None,
        life: LifeSettings | None = None,
        max_active_runs: int = 1,
    ) -> None:
        self.home = home
        self.ledger = ledger
        self.clock = clock or SystemClock()
        self.operations = Operations(self.clock, self._on_operation)
        self.newsroom = Newsroom(ledger, self.operations, self.clock, on_ended=self._begin_queued)
        self._life_settings = life or trainer_life()
        self._max_active_runs = max_active_runs
        self._queue = RunQueue()
        self._stops = Stops(self.newsroom, self.operations)
        self._closing = False
        self._begun = asyncio.Event()
        self.beginning = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    # -- looking ---------------------------------------------------------------------------------------------

    def add_audience(self, audience: Audience, name: str) -> None:
        """From now on `audience` hears what happens; `name` is what a person calls it."""
        self.newsroom.audiences.add(audience, name)

    def active(self) -> list[LiveRun]:
        """Runs that have a trainer, or will have one again in a moment."""
        return [self.newsroom.runs[run] for run in self.newsroom.lives]

    def known(self) -> list[LiveRun]:
        """Runs this life of the daemon has in memory."""
        return list(self.newsroom.runs.values())

    async def run(self, run_id: str) -> LiveRun:
        """The run of that id, from memory or from the store."""
        run = self.newsroom.runs.get(run_id)
        if run is None:
            run = await asyncio.to_thread(self.ledger.load, run_id)
        if run is None:
            raise NotFoundError(f"there is no run {run_id}; list them: synapsed runs")
        return run

    async def current(self) -> LiveRun | None:
        """The run a person means who names none: the learning one, else the newest."""
        active = self.active()
        if active:
            return active[0]
        newest = await asyncio.to_thread(self.ledger.newest_run_id)
        return await self.run(newest) if newest else None

    # -- beginning -------------------------------------------------------------------------------------------

    async def start(self, request: StartRequest) -> LiveRun:
        """Begin a new run.

        Raises:
            ConflictError: when as many runs learn as may, and `queue` is not asked for.
            UsageError: when its data is not there.
        """
        async with self.beginning:
            self._check_room(queue=request.queue)
            require_data(request.config.stream, home=self.home.root)
            run = self._new_run(request.config, request.name)
            order = TrainerOrder(home=self.home.root, run_id=run.id, session=1, config=run.config)
            await self._launch_recorded(run, order)
        return run

    async def resume(self, request: ResumeRequest) -> LiveRun:
        """Go on from a checkpoint: the newest of a run continues that run, an older one forks a new run.

        Raises:
            NotFoundError: no such checkpoint.
            CheckpointError: it is damaged, or there is none.
            ConflictError: as `start`; or the checkpoint is the newest of a run that learns or waits already.
        """
        async with self.beginning:
            return await self._resume(request)

    async def _resume(self, request: ResumeRequest) -> LiveRun:
        self._check_room(queue=request.queue)
        found = await self.newsroom.find_checkpoint(request.checkpoint, by_id_only=request.by_id_only)
        config = request.config_over(found.config, origin=f"checkpoint {found.name}")
        require_data(config.stream, home=self.home.root)
        source = self.newsroom.runs.get(found.run or "")
        if source is None and found.run is not None:
            source = await asyncio.to_thread(self.ledger.load, found.run)
        self._check_room(queue=request.queue)  # the world went on while the checkpoint was read
        if found.run is not None and found.newest:
            self._check_idle(found.run)
            run = source or self._new_run(config, request.name, run_id=found.run)
            run.config = config_to_dict(config)
            fork_of = None
        else:
            run = self._new_run(config, request.name)
            run.parent = {"run": found.run, "step": found.step} if found.run else None
            fork_of = found.run
        await asyncio.to_thread(self.ledger.holds.keep, run.id, found.path.with_name(found.name))
        run.step, run.samples = found.step, found.samples
        run.checkpoint, run.checkpoint_step = found.name, found.step
        self.newsroom.runs[run.id] = run
        order = TrainerOrder(
            home=self.home.root,
            run_id=run.id,
            session=run.session + 1,
            config=run.config,
            checkpoint=found.path,
            fall_back=fork_of is None,
            newest=fork_of is None,
            fork_of=fork_of,
            limits_from_checkpoint=not request.own_limits,
        )
        await self._launch_recorded(run, order)
        return run

    async def _launch_recorded(self, run: LiveRun, order: TrainerOrder) -> None:
        """Launch a run once it is on disk: whatever dies from here on, the next daemon knows of it."""
        await asyncio.to_thread(self.ledger.settle)
        if self._closing:  # meanwhile
            self._end_unbegun(run, "the daemon stopped before it began")
            raise ConflictError(STOPPING)
        self._launch(run, order)

    def _new_run(self, config: RunConfig, name: str | None, *, run_id: str | None = None) -> LiveRun:
        now = self.clock.now()
        run_id = run_id or f"r-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        preset = Path(config.preset).stem
        run = LiveRun(
            id=run_id,
            name=typeable(name or "") or typeable(f"{preset} {now:%Y-%m-%d %H:%M}"),
            config=config_to_dict(config),
            created_at=now,
        )
        self.newsroom.runs[run_id] = run
        self.ledger.create(run)
        return run

    def _check_room(self, *, queue: bool) -> None:
        if self._closing:
            raise ConflictError(STOPPING)
        if not queue and not self._has_room():
            busy = self.active()[0]
            raise ConflictError(
                f"{busy.id} ({busy.name}) is {busy.state}; one run learns at a time: "
                "stop it first, or queue this one"
            )

    def _check_idle(self, run_id: str) -> None:
        """One run is one line of learning: it cannot be begun beside itself."""
        if run_id in self._queue:
            raise ConflictError(
                f"{run_id} waits in the queue already; take it out first: synapsed stop --run {run_id} --keep-serving"
            )
        if run_id in self.newsroom.lives:
            state = self.newsroom.runs[run_id].state
            raise ConflictError(
                f"{run_id} is {state} already; resume one of its older checkpoints to fork it"
            )

    def _has_room(self) -> bool:
        return len(self.newsroom.lives) < self._max_active_runs

    def _launch(self, run: LiveRun, order: TrainerOrder) -> None:
        if not self._has_room():
            self._queue.add(order)
            self.newsroom.change_state(
                run, RunState.QUEUED, "waits for the learning run to end", announce=True
            )
            return
        life = TrainerLife(
            order,
            TRAINER,
            observer=self.newsroom,
            settings=self._life_settings,
            clock=self.clock,
            log_path=self.home.logs / "trainer.log",
        )
        self.newsroom.lives[run.id] = life
        self._begun.set()
        run.ended_at, run.degraded = None, None
        self.newsroom.change_state(run, RunState.STARTING, "", announce=True)
        life.begin()

    # -- steering --------------------------------------------------------------------------------------------

    async def act(self, run_id: str, order: Order) -> Operation:
        """Ask a run's trainer for something; the operation ends when the trainer has answered.

        Raises:
            ConflictError: when the action does not fit the run's state or its brain.
        """
        run = await self.run(run_id)
        action = order.action
        if isinstance(order, Stop) and run.id in self._queue:
            return self._leave_queue(run)
        life = self._life_for(run, action)
        if isinstance(order, Stop):
            return self._stops.order(run, life, order)
        life.require_child()
        operation = self.operations.open(run.id, action)
        life.send(Command(id=operation.id, order=order))
        if action in ASKED_FIRST:
            await wait_for(operation, ASKED_FIRST_SECONDS)
            if operation.conflict:
                raise ConflictError(operation.error or f"{action} is not available for this brain")
        return operation

    async def feed(self, run_id: str, text: str, *, origin: str = "api") -> Operation:
        """Push text into a run's experience; done once it is journaled."""
        return await self.act_checked(run_id, Feed(text=text, origin=origin))

    async def ask(self, run_id: str, question: Generate | ViewGrowth) -> dict[str, Any]:
        """What the trainer answers to a question: what the brain says after a prompt, how it could grow.

        Raises:
            ConflictError: no trainer of the run could say anything, or it does not fit its brain.
            TrainerLostError: it did not answer in time.
        """
        operation = await self.act_checked(run_id, question)
        await operation.finished.wait()
        if operation.conflict:
            raise ConflictError(operation.error or f"{question.action} is not available now")
        if operation.state == "failed":
            raise TrainerLostError(operation.error or "the trainer did not answer")
        return operation.result

    async def act_checked(self, run_id: str, order: Order) -> Operation:
        """As `act`, for actions that only a trainer with a brain can do."""
        run = await self.run(run_id)
        life = self._life_for(run, order.action)
        life.require_child()
        operation = self.operations.open(run.id, order.action)
        life.send(Command(id=operation.id, order=order))
        return operation

    async def operation(self, operation_id: str, *, wait_seconds: float = 0.0) -> dict[str, Any]:
        """An operation as it is now, or once it has ended, within `wait_seconds`."""
        operation = self.operations.get(operation_id)
        if operation is None:
            stored = await asyncio.to_thread(self.ledger.load_operation, operation_id)
            if stored is None:
                raise NotFoundError(f"there is no operation {operation_id}")
            return stored
        await wait_for(operation, wait_seconds)
        return operation.view()

    def run_job(self, diary: Diary, job: str) -> Operation:
        """Run a job of the diary now, as an operation.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it is running already.
        """
        if diary.job(job)["running"]:
            raise ConflictError(f"job {job} is running already; wait for it to end")
        operation = self.operations.open(None, f"job {job}", timeout_seconds=JOB_TIMEOUT_SECONDS)
        task = asyncio.ensure_future(self._run_job(diary, job, operation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return operation

    async def _run_job(self, diary: Diary, job: str, operation: Operation) -> None:
        try:
            outcome = await diary.run_now(job)
        except ConflictError as error:
            self.operations.fail(operation, str(error))
            return
        if outcome.ok:
            self.operations.finish(operation, {"outcome": outcome.outcome, "seconds": outcome.seconds})
        else:
            self.operations.fail(operation, outcome.outcome)

    def _life_for(self, run: LiveRun, action: str) -> TrainerLife:
        life = self.newsroom.lives.get(run.id)
        if life is None:
            hint = "; resume it first: synapsed resume latest" if run.state.ended else ""
            raise ConflictError(f"cannot {action}: {run.id} is {run.state}{hint}")
        if run.state is RunState.STOPPING and action != "stop":
            raise ConflictError(f"cannot {action}: {run.id} is stopping already")
        # One that stands still for want of room goes on by itself, unless a person wants it paused.
        if action == "pause" and run.state is RunState.PAUSED and not run.degraded:
            raise ConflictError(f"cannot pause: {run.id} is paused already")
        if action == "continue" and run.state is not RunState.PAUSED:
            raise ConflictError(f"cannot continue: {run.id} is {run.state}, not paused")
        return life

    def _leave_queue(self, run: LiveRun) -> Operation:
        self._queue.remove(run.id)
        operation = self.operations.open(run.id, "stop")
        self._end_unbegun(run, "left the queue")
        self.operations.finish(operation, {"step": run.step})
        return operation

    def _end_unbegun(self, run: LiveRun, reason: str) -> None:
        run.ended_at = self.clock.now()
        self.newsroom.change_state(run, RunState.STOPPED, reason)

    # -- ending ----------------------------------------------------------------------------------------------

    async def wait_ended(self, run_id: str) -> LiveRun:
        """Return once the run has no trainer any more and will get none."""
        life = self.newsroom.lives.get(run_id)
        if life is not None:
            await life.ended.wait()
        return await self.run(run_id)

    async def wait_begun(self, run_id: str) -> None:
        """Return once a trainer is started for the run again."""
        while run_id not in self.newsroom.lives:
            self._begun.clear()
            await self._begun.wait()

    async def close(self, *, grace_seconds: float, reason: str = "the daemon stops") -> None:
        """Stop every run with a last checkpoint; kill what has not ended within the grace time.

        Runs that wait leave the queue: it lives as long as the daemon.
        """
        self._closing = True
        for run_id in self._queue.clear():
            self._end_unbegun(self.newsroom.runs[run_id], "left the queue: the daemon stopped")
        await self._stops.all(self.newsroom.lives.values(), grace_seconds=grace_seconds, reason=reason)
        self.operations.close()

    def kill(self) -> None:
        """End every trainer at once; the last good checkpoints stay."""
        self._closing = True
        for life in list(self.newsroom.lives.values()):
            life.kill()

    # -- what happened ---------------------------------------------------------------------------------------

    def _begin_queued(self) -> None:
        while self._queue and self._has_room() and not self._closing:
            order = self._queue.take()
            self._launch(self.newsroom.runs[order.run_id], order)

    def _on_operation(self, operation: Operation) -> None:
        if operation.action in {"generate", "growth"}:
            return  # a question and its answer: nobody's history
        self.ledger.put_operation(operation)
        self.newsroom.tell_operation(operation)
