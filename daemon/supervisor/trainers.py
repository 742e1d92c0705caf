"""What trainers say, turned into rows, live state and news for whoever listens."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from daemon.events import AlarmAcknowledged, Event, StateChanged, TrainerLost
from daemon.protocol import Goodbye, Outcome, Ready, Report, RunState, TrainerOrder
from daemon.supervisor.active_alarms import Alarms
from daemon.supervisor.audiences.dispatcher import Dispatcher
from daemon.supervisor.children.life import ChildKind, ChildLife, LifeSettings
from daemon.supervisor.ending import lost, pending_stops, refused
from daemon.supervisor.live_run import LiveRun, finite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.supervisor.clock import Clock
    from daemon.supervisor.found_checkpoint import FoundCheckpoint
    from daemon.supervisor.ledger import Ledger
    from daemon.supervisor.operations import Operation, Operations

logger = logging.getLogger(__name__)

Message = Ready | Report | Outcome
TrainerLife = ChildLife[TrainerOrder, Message, Goodbye]
TRAINER: ChildKind[TrainerOrder, Message, Goodbye] = ChildKind(
    noun="trainer", messages=(Ready, Report, Outcome), goodbye=Goodbye
)


def trainer_life() -> LifeSettings:
    """How trainers are kept alive, unless a test has it otherwise."""
    return LifeSettings(entry="daemon.trainer.process:trainer_main")


class Newsroom:
    """Observer of every trainer's life. `runs` are those in memory, `lives` those with a trainer."""

    def __init__(
        self,
        ledger: Ledger,
        operations: Operations,
        clock: Clock,
        *,
        on_ended: Callable[[], None],
    ) -> None:
        self.runs: dict[str, LiveRun] = {}
        self.lives: dict[str, TrainerLife] = {}
        self.audiences = Dispatcher(lambda event: self.add_event(None, event))
        self.alarms = Alarms(ledger.store, now=clock.now)
        self._ledger = ledger
        self._operations = operations
        self._clock = clock
        self._on_ended = on_ended

    # -- ChildObserver ---------------------------------------------------------------------------------------

    def on_spawn(self, order: TrainerOrder) -> None:
        """A trainer is being spawned."""
        live = self.runs[order.run_id]
        live.session = order.session
        live.started_at = live.started_at or self._clock.now()
        self._ledger.save(live)
        self._tell_run(live)

    def on_message(self, subject: str, message: Message) -> None:
        """A trainer sent something."""
        match message:
            case Report():
                self._on_report(subject, message)
            case Outcome():
                self._on_outcome(message)
            case Ready():
                self._on_ready(subject, message)

    def _on_ready(self, run: str, ready: Ready) -> None:
        """A trainer is about to learn."""
        live = self.runs[run]
        live.apply_ready(ready)
        self._ledger.begin_session(live)
        self._ledger.save(live)
        self._tell_run(live)
        for record in self.alarms.begin_session(live, ready.alarms):
            self._add_record(live, record)

    def _on_report(self, run: str, report: Report) -> None:
        """A trainer learned: store it, remember the newest, tell everybody."""
        live = self.runs[run]
        degraded_before = live.degraded
        live.apply_report(report)
        self._ledger.add_report(live, report)
        for record in report.events:
            if record["kind"] == StateChanged.kind():
                self._follow_state(live, record)
            else:
                self._add_record(live, record)
        if degraded_before != live.degraded:
            self._ledger.save(live)
            self._tell_run(live)
        self.audiences.on_delta(delta_of(live, report))

    def _on_outcome(self, outcome: Outcome) -> None:
        """A trainer obeyed or refused; one that refuses to stop goes on."""
        operation = self._operations.get(outcome.id)
        if operation is None or operation.run is None or operation.action != "stop" or outcome.ok:
            self._operations.settle(outcome)
            return
        run = self.runs[operation.run]
        self._operations.settle(refused(outcome, run))
        if run.id in self.lives and not pending_stops(self._operations, run.id):
            self.lives[run.id].keep_going()
            self.change_state(run, RunState(outcome.result["state"]), str(outcome.error))

    def on_death(self, subject: str, reason: str, restart_seconds: float | None) -> None:
        """A trainer died."""
        run, event = self.runs[subject], TrainerLost(reason=reason, restart_seconds=restart_seconds)
        self._ledger.end_session(run, "lost", reason)
        self.add_event(run, event)
        error = f"the trainer was lost ({reason})"
        self._operations.fail_pending(subject, error, but=pending_stops(self._operations, subject))
        if restart_seconds is not None and run.state is not RunState.STOPPING:
            self.change_state(run, RunState.STARTING, event.message)

    def on_end(self, subject: str, goodbye: Goodbye | None, reason: str) -> None:
        """The run has no trainer any more; without a goodbye it has crashed, or stopped if that was wanted."""
        run = subject
        live = self.runs[run]
        del self.lives[run]
        asked_to_stop = live.state is RunState.STOPPING
        if goodbye is not None:
            state = live.apply_goodbye(goodbye)
        else:
            state = RunState.STOPPED if asked_to_stop else RunState.CRASHED
        unsaved = goodbye is None or goodbye.error is not None
        if state is RunState.CRASHED:
            pass
        elif not reason:
            reason = live.reason or ""
        elif unsaved:
            reason = f"{reason}; {lost(live)}"
        live.ended_at = self._clock.now()
        live.degraded = None
        self.change_state(live, state, reason)
        if goodbye is not None:
            self._ledger.end_session(live, str(state), reason)
        result: dict[str, Any] = {"step": live.step, "checkpoint": live.checkpoint}
        if unsaved:
            result |= {"checkpoint_step": live.checkpoint_step, "not_saved": reason}
        for operation in pending_stops(self._operations, run):
            self._operations.finish(operation, result)
        self._operations.fail_pending(run, f"the run ended first ({state})")
        self._on_ended()

    def next_order(self, order: TrainerOrder) -> TrainerOrder:
        """The same run, a new session, from the newest checkpoint it has committed itself."""
        return restarted(order, self._ledger.newest_checkpoint_path(order.run_id))

    # -- news ------------------------------------------------------------------------------------------------

    def change_state(self, run: LiveRun, state: RunState, reason: str, *, announce: bool = False) -> None:
        """Move a run to a state, as an event; `announce` tells of the run even when it is there already."""
        before = run.state
        if before is state and not announce:
            return
        run.state, run.reason = state, reason or None
        self._ledger.save(run)
        if state.ended:
            self._ledger.holds.release(run.id)
        if before is not state:
            self.add_event(
                run, StateChanged(before=str(before), after=str(state), reason=reason, step=run.step)
            )
        self._tell_run(run)

    def add_event(self, run: LiveRun | None, event: Event) -> None:
        """Store a fact of the supervisor's own and tell it."""
        self._add_record(run, event.record(now=self._clock.now()))

    async def acknowledge_alarm(self, alarm_id: str) -> dict[str, Any]:
        """A person has seen an alarm: keep that and tell everybody; the alarm in the API's form.

        Raises:
            NotFoundError: there is none of that id.
        """
        alarm, first = await asyncio.to_thread(self.alarms.acknowledge, alarm_id)
        run = self.runs.get(alarm["run"]) or await asyncio.to_thread(self._ledger.load, alarm["run"])
        if first:
            self.add_event(run, AlarmAcknowledged(step=alarm["step"], id=alarm_id, alarm=alarm["kind"]))
        return alarm

    def tell_operation(self, operation: Operation) -> None:
        """An operation began or ended."""
        self.audiences.on_operation(operation.view())

    def _follow_state(self, run: LiveRun, record: dict[str, Any]) -> None:
        """A trainer went from one state to another.

        An ended state counts once the process has ended: until then another run could not begin. Stopping is
        announced the moment it is asked for.
        """
        state, reason = RunState(record["data"]["after"]), str(record["data"]["reason"])
        if state.ended:
            run.reason = reason or run.reason
        elif state is not run.state and run.state is not RunState.STOPPING:
            run.state, run.reason = state, reason or None
            self._ledger.save(run)
            self._add_record(run, record)
            self._tell_run(run)

    async def find_checkpoint(self, text: str, *, by_id_only: bool) -> FoundCheckpoint:
        """The checkpoint a person means; damaged ones that were set aside on the way are told of.

        Raises:
            NotFoundError: there is none of that name.
            CheckpointError: it is damaged, or there is none.
            UsageError: the path leads to no checkpoint.
        """
        found: list[Event] = []
        try:
            return await asyncio.to_thread(
                self._ledger.find_checkpoint, text, by_id_only=by_id_only, emit=found.append
            )
        finally:
            for event in found:
                self.add_event(None, event)

    async def delete_checkpoint(self, name: str) -> None:
        """Delete a checkpoint; a run that named it as its newest names the one before.

        Raises:
            NotFoundError: there is none of that name.
            ConflictError: it is pinned, or the only sound one of its run.
        """
        run_id, newest = await asyncio.to_thread(self._ledger.delete_checkpoint, name)
        run = self.runs.get(run_id)
        if run is not None and run.checkpoint == name:
            run.checkpoint, run.checkpoint_step = newest, None
            self._tell_run(run)

    def _add_record(self, run: LiveRun | None, record: dict[str, Any]) -> None:
        stored = self._ledger.add_event(run, record)
        if run is not None and record["kind"] == "checkpoint_saved":
            run.checkpoint, run.checkpoint_step = record["data"]["checkpoint"], record["step"]
            self._ledger.put_checkpoint(run, record)
        elif record["kind"] in ("checkpoint_pruned", "checkpoint_set_aside"):
            self._ledger.forget_checkpoint(record["data"]["checkpoint"])
        elif run is not None:
            self.alarms.take(run, record)
        self.audiences.on_event(stored)

    def _tell_run(self, run: LiveRun) -> None:
        self.audiences.on_run(run.view(full=False))


def restarted(order: TrainerOrder, checkpoint: Path | None) -> TrainerOrder:
    """The order after a trainer's death; without a checkpoint of the run's own it begins as the first time."""
    if checkpoint is None:
        return replace(order, session=order.session + 1)
    return replace(
        order,
        session=order.session + 1,
        checkpoint=checkpoint,
        fork_of=None,
        fall_back=True,
        newest=True,
        # Until it has saved one of its own, the limits it was resumed with are in the order alone.
        limits_from_checkpoint=order.limits_from_checkpoint or checkpoint != order.checkpoint,
    )


def delta_of(run: LiveRun, report: Report) -> dict[str, Any]:
    """The `delta` frame of the live feed."""
    delta: dict[str, Any] = {
        "run": run.id,
        "state": str(run.state),
        "degraded": run.degraded,
        "step": run.step,
        "samples": run.samples,
        "training_seconds": run.training_seconds,
        "columns": {name: [finite(value) for value in values] for name, values in report.columns.items()},
        "points": [[metric, step, time, finite(value)] for metric, step, time, value in report.points],
        "readings": report.readings,
    }
    if report.sample is not None:
        delta["sample"] = report.sample
    return delta
