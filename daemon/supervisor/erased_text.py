"""Once something was forgotten on purpose: what was shown last may be of it, and goes from memory and history alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.events import ExperienceForgotten

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.store.recorder import Recorder
    from daemon.supervisor.live_run import LiveRun


class ErasedText:
    """Follows the events of all runs.

    Args:
        show: saves a run as it is now and publishes it, so that no open page keeps the sample.
        recorder: of the database whose log is cut.
    """

    def __init__(self, show: Callable[[LiveRun], object], recorder: Recorder) -> None:
        self._show = show
        self._recorder = recorder

    def follow(self, run: LiveRun | None, record: dict[str, Any]) -> None:
        """Drop the sample of a run that forgot, and what the database's log still holds of earlier ones."""
        if record["kind"] != ExperienceForgotten.kind():
            return
        if run is not None:
            run.sample = run.sample_step = run.sample_time = None
            self._show(run)
        self._recorder.cut_log()
