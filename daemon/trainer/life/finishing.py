"""What a run leaves behind that reached its limit: its held-out accuracy, and its brain as one file."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from brain.capabilities import Labelling
from brain.errors import SynapsedError
from brain.registry import brains
from daemon.events import ModelNotWritten, ModelWritten
from daemon.interrupting import Interrupted
from daemon.system.paths import reason, shown
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from brain.ports import Brain
    from daemon.trainer.ports import Report
    from daemon.trainer_protocol import Goodbye


def finish(
    brain: Brain,
    goodbye: Goodbye,
    models: Path,
    *,
    evaluate: Callable[[], object],
    export: Callable[[str, Path], object],
    report: Report,
) -> None:
    """Score the whole held-out set of a brain that predicts labels; write a file where its kind has one.

    Args:
        brain: that learned.
        goodbye: how its run ended; there is something to do only if that was at a limit.
        models: the folder of such files.
        evaluate: scores the held-out set and reports.
        export: writes a checkpoint as one file.
        report: takes where the file is, or why there is none.
    """
    if goodbye.state != RunState.FINISHED.value:
        return
    if isinstance(brain, Labelling):
        with suppress(Interrupted):
            evaluate()
    name = brains.get(brain.state().spec["kind"]).model_file
    if name is None or goodbye.checkpoint is None:
        return
    target, error = models / name, ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        export(goodbye.checkpoint, target)
    except SynapsedError as failed:
        error = str(failed).rstrip(".")
    except OSError as failed:
        error = f"{shown(target.parent)} cannot be made: {reason(failed)}"
    path = shown(target)
    report.event(
        ModelNotWritten(step=goodbye.step, path=path, error=error)
        if error
        else ModelWritten(step=goodbye.step, path=path)
    )
