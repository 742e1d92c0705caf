"""The trainer as a kind of child: what it sends, turned into the state of its run, rows and news."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from daemon.events import StateChanged, TrainerLost, TrainerSlow
from daemon.supervisor.children.life import ChildKind, ChildLife, LifeSettings
from daemon.supervisor.run_ending import lost, pending_stops, refused
from daemon.trainer_protocol import Goodbye, Outcome, Ready, Report, RunState, TrainerOrder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.store.recorder import Recorder
    from daemon.supervisor.active_alarms import ActiveAlarms
    from daemon.supervisor.clock import Clock
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.operations import Operations
    from daemon.supervisor.publishing import Publisher
    from daemon.supervisor.run_checkpoints import RunCheckpoints
    from daemon.supervisor.run_registry import RunRegistry
    from daemon.supervisor.run_rows import RunRows

Message = Ready | Report | Outcome
TrainerLife = ChildLife[TrainerOrder, Message, Goodbye]
TRAINER: ChildKind[TrainerOrder, Message, Goodbye] = ChildKind(
    noun="trainer", messages=(Ready, Report, Outcome), goodbye=Goodbye
)


def trainer_life() -> LifeSettings:
    """How trainers are kept alive by default."""
    return LifeSettings(entry="daemon.trainer.process:trainer_main")


class Trainers:
    """Starts trainers, and observes them (a ChildObserver).

    Attributes:
        on_ended: called when a run has no trainer any more.
    """

    def __init__(
        self,
        runs: RunRegistry,
        rows: RunRows,
        recorder: Recorder,
        *,
        checkpoints: RunCheckpoints,
        alarms: ActiveAlarms,
        operations: Operations,
        publisher: Publisher,
        clock: Clock,
        settings: LifeSettings,
        log_path: Path,
    ) -> None:
        self.on_ended: Callable[[], None] = lambda: None
        self._runs = runs
        self._rows = rows
        self._recorder = recorder
        self._checkpoints = checkpoints
        self._alarms = alarms
        self._operations = operations
        self._publisher = publisher
        self._clock = clock
        self._settings = settings
        self._log_path = log_path

    def begin(self, run: LiveRun, order: TrainerOrder) -> None:
        """Start a trainer for a run, and another whenever one dies."""
        life = ChildLife(
            order,
            TRAINER,
            observer=self,
            settings=self._settings,
            clock=self._clock,
            log_path=self._log_path,
        )
        self._runs.lives[run.id] = life
        run.ended_at, run.degraded = None, None
        self._runs.change_state(run, RunState.STARTING, "", announce=True)
        life.begin()

    # -- ChildObserver ---------------------------------------------------------------------------------------

    def on_spawn(self, order: TrainerOrder) -> None:
        """A trainer is being spawned."""
        run = self._runs[order.run_id]
        run.session = order.session
        run.started_at = run.started_at or self._clock.now()
        self._runs.show(run)

    def on_message(self, subject: str, message: Message) -> None:
        """A trainer sent something."""
        match message:
            case Report():
                self._on_report(self._runs[subject], message)
            case Outcome():
                self._on_outcome(message)
            case Ready():
                self._on_ready(self._runs[subject], message)

    def on_slow(self, subject: str, silent_seconds: float) -> None:
        """A trainer works on without a word; its next report clears the flag."""
        run = self._runs[subject]
        event = TrainerSlow(step=run.step, silent_seconds=silent_seconds)
        run.degraded = event.message
        self._publisher.publish(run, event)
        self._runs.show(run)

    def on_death(self, subject: str, reason: str, restart_seconds: float | None) -> None:
        """A trainer died."""
        run, event = self._runs[subject], TrainerLost(reason=reason, restart_seconds=restart_seconds)
        self._recorder.end_session(run.id, run.session, end_state="lost", reason=reason)
        self._publisher.publish(run, event)
        error = f"the trainer was lost ({reason})"
        self._operations.fail_pending(run.id, error, but=pending_stops(self._operations, run.id))
        if restart_seconds is not None and run.state is not RunState.STOPPING:
            self._runs.change_state(run, RunState.STARTING, event.message)

    def on_end(self, subject: str, goodbye: Goodbye | None, reason: str) -> None:
        """The run has no trainer any more; without a goodbye it has crashed, or stopped if that was wanted."""
        run = self._runs[subject]
        del self._runs.lives[subject]
        if goodbye is not None:
            state = run.apply_goodbye(goodbye)
        else:
            state = RunState.STOPPED if run.state is RunState.STOPPING else RunState.CRASHED
        unsaved = goodbye is None or goodbye.error is not None
        if state is not RunState.CRASHED and not reason:
            reason = run.reason or ""
        elif state is not RunState.CRASHED and unsaved:
            reason = f"{reason}; {lost(run)}"
        self._runs.end(run, state, reason)
        if goodbye is not None:
            self._recorder.end_session(run.id, run.session, end_state=str(state), reason=reason or None)
        result: dict[str, Any] = {"step": run.step, "checkpoint": run.checkpoint}
        if unsaved:
            result |= {"checkpoint_step": run.checkpoint_step, "not_saved": reason}
        for operation in pending_stops(self._operations, run.id):
            self._operations.finish(operation, result)
        self._operations.fail_pending(run.id, f"the run ended first ({state})")
        self.on_ended()

    def next_order(self, order: TrainerOrder) -> TrainerOrder:
        """The same run, a new session, from the newest checkpoint it has committed itself."""
        return restarted(order, self._checkpoints.newest_path(order.run_id))

    # -- messages --------------------------------------------------------------------------------------------

    def _on_ready(self, run: LiveRun, ready: Ready) -> None:
        """It is about to learn; its rows supersede those from its step on."""
        run.apply_ready(ready)
        self._recorder.start_session(
            run.id, run.session, first_step=run.step + 1, resumed_from=run.checkpoint
        )
        self._runs.show(run)
        for record in self._alarms.begin_session(run, ready.alarms):
            self._publisher.publish_record(run, record)

    def _on_report(self, run: LiveRun, report: Report) -> None:
        """It learned: store it, remember the newest, publish it."""
        degraded_before = run.degraded
        run.apply_report(report)
        self._rows.add_report(run, report)
        for record in report.events:
            if record["kind"] == StateChanged.kind():
                self._follow_state(run, record)
            else:
                self._publisher.publish_record(run, record)
        if degraded_before != run.degraded:
            self._runs.show(run)
        self._publisher.publish_report(run, report)

    def _on_outcome(self, outcome: Outcome) -> None:
        """It obeyed or refused; one that refuses to stop continues."""
        operation = self._operations.get(outcome.id)
        if operation is None or operation.run is None or operation.action != "stop" or outcome.ok:
            self._operations.settle(outcome)
            return
        run = self._runs[operation.run]
        self._operations.settle(refused(outcome, run))
        if run.id in self._runs.lives and not pending_stops(self._operations, run.id):
            self._runs.lives[run.id].keep_going()
            self._runs.change_state(run, RunState(outcome.result["state"]), str(outcome.error))

    def _follow_state(self, run: LiveRun, record: dict[str, Any]) -> None:
        """A trainer changed its state.

        An ended state counts once the process has ended: until then another run could not begin. Stopping is
        announced the moment it is asked for.
        """
        state, reason = RunState(record["data"]["after"]), str(record["data"]["reason"])
        if state.ended:
            run.reason = reason or run.reason
        elif state is not run.state and run.state is not RunState.STOPPING:
            run.state, run.reason = state, reason or None
            self._rows.save(run)
            self._publisher.publish_record(run, record)
            self._publisher.publish_run(run)


def restarted(order: TrainerOrder, checkpoint: Path | None) -> TrainerOrder:
    """The order after a trainer's death; without a checkpoint of its own the run begins as the first time."""
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
