"""How a fact becomes known: it is stored, noted by those it concerns, then published to the audiences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.orders import QUESTIONS
from daemon.supervisor.audiences.dispatcher import Dispatcher
from daemon.supervisor.live_run import finite

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.events import Event
    from daemon.store.recorder import Recorder
    from daemon.supervisor.clock import Clock
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.operations import Operation
    from daemon.trainer_protocol import Report

    Record = dict[str, Any]
    Follower = Callable[[LiveRun | None, Record], None]


class Publisher:
    """Stores and publishes everything that happens; its methods belong to the event loop.

    Attributes:
        audiences: who is notified.
        followers: called with each event and its run, once it is stored and before it is published.
    """

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self.audiences = Dispatcher(lambda event: self.publish(None, event))
        self.followers: list[Follower] = []
        self._recorder = recorder
        self._clock = clock

    def publish(self, run: LiveRun | None, event: Event) -> None:
        """A fact of the supervisor's own."""
        self.publish_record(run, event.record(now=self._clock.now()))

    def publish_record(self, run: LiveRun | None, record: Record) -> None:
        """A fact as a trainer reports it (`Event.record()`)."""
        run_id, session = (run.id, run.session) if run is not None else (None, None)
        seq = self._recorder.add_event(record, run=run_id, session=session)
        for follow in self.followers:
            follow(run, record)
        self.audiences.on_event({"seq": seq, "run": run_id, "session": session, **record})

    def publish_run(self, run: LiveRun) -> None:
        """A run as it is now."""
        self.audiences.on_run(run.view(full=False))

    def publish_report(self, run: LiveRun, report: Report) -> None:
        """The numbers of a report; they are stored already."""
        self.audiences.on_delta(delta_of(run, report))

    def publish_operation(self, operation: Operation) -> None:
        """An operation that began or ended."""
        if operation.action in QUESTIONS:
            return
        self._recorder.put_operation(
            operation.id,
            run=operation.run,
            action=operation.action,
            state=operation.state,
            result=operation.result,
            error=operation.error,
            created_at=operation.created_at,
            finished_at=operation.finished_at,
        )
        self.audiences.on_operation(operation.view())


def delta_of(run: LiveRun, report: Report) -> Record:
    """The `delta` frame of the live feed."""
    delta: Record = {
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
