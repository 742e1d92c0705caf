"""What a run leaves behind that reached its limit: its held-out accuracy, and its brain as one file for other programs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from brain.errors import SynapsedError
from brain.ports import Labelling
from brain.registry import brains
from daemon.events import ModelWritten
from daemon.interrupting import Interrupted
from daemon.protocol import RunState
from daemon.system.paths import reason, shown
from daemon.trainer.offline.questions import export

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Brain
    from daemon.home import Home
    from daemon.protocol import Goodbye
    from daemon.trainer.ports import Report


def finish(brain: Brain, goodbye: Goodbye, home: Home, *, evaluate: Callable[[], object], report: Report) -> None:
    """Score the whole held-out set of a brain that predicts labels, then write `models/…`, if its kind has such a file."""
    if goodbye.state != RunState.FINISHED.value:
        return
    if isinstance(brain, Labelling):
        with suppress(Interrupted):
            evaluate()
    name = brains.get(brain.state().spec["kind"]).model_file
    if name is None or goodbye.checkpoint is None:
        return
    target = home.models / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        export(home, goodbye.checkpoint, target)
    except (SynapsedError, OSError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        report.event(ModelWritten(step=goodbye.step, path=str(target), error=why))
    else:
        report.event(ModelWritten(step=goodbye.step, path=shown(target)))
