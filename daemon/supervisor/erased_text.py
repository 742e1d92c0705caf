"""Once something was forgotten on purpose: what was shown last may be of it, and goes from memory and history alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.events import ExperienceForgotten

if TYPE_CHECKING:
    from daemon.store.recorder import Recorder
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.run_rows import RunRows


class ErasedText:
    """Follows the events of all runs."""

    def __init__(self, rows: RunRows, recorder: Recorder) -> None:
        self._rows = rows
        self._recorder = recorder

    def follow(self, run: LiveRun | None, record: dict[str, Any]) -> None:
        """Drop the sample of a run that forgot, and what the database's log still holds of earlier ones."""
        if record["kind"] != ExperienceForgotten.kind():
            return
        if run is not None:
            run.sample = run.sample_step = run.sample_time = None
            self._rows.save(run)
        self._recorder.cut_log()
