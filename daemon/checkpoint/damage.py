"""What becomes of damaged checkpoints: found, moved out of the way, reported, never deleted. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.checkpoint.manifest import DefectError
from daemon.events import CheckpointSetAside, Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.checkpoint.catalogue import Catalogue


def set_aside(catalogue: Catalogue, defect: DefectError, emit: Callable[[Event], None]) -> str:
    """Move one damaged checkpoint out of the way, as an event; what it is called now.

    Raises:
        OSError: it could not be renamed.
    """
    moved = catalogue.set_aside(defect.path).name
    emit(CheckpointSetAside(checkpoint=defect.path.name, moved_to=moved, defect=defect.defect))
    return moved


def set_aside_newest_run(catalogue: Catalogue, emit: Callable[[Event], None]) -> None:
    """Set aside whatever is damaged of the newest run, and checkpoints whose run cannot be told."""
    for info in catalogue.list(next(iter(catalogue.runs()), "")):
        try:
            catalogue.verify(info.path)
        except DefectError as defect:
            set_aside(catalogue, defect, emit)
    for torn in catalogue.torn():
        set_aside(catalogue, torn, emit)
