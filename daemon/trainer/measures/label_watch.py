"""A brain that learns labels and reads none learns nothing; the run says so once in a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.events import LabelsMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

ENOUGH_RECORDS = 100


class LabelWatch:
    """Looks at a brain's own counts: `examples`, records with a label, and `unlabelled`, those without."""

    def __init__(self) -> None:
        self._done = False

    def look(self, metrics: Mapping[str, float], step: int) -> LabelsMissing | None:
        """The warning, once, if enough records were read and none had a label."""
        examples, unlabelled = metrics.get("examples"), metrics.get("unlabelled")
        if self._done or examples is None or unlabelled is None or examples + unlabelled < ENOUGH_RECORDS:
            return None
        self._done = True
        return LabelsMissing(step=step, num_records=int(unlabelled)) if examples == 0 else None
