"""What a brain that learns labels cannot learn: records without a label, and labels for which there is no room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brain.capabilities import Labelling
from daemon.events import LabelsBeyond, LabelsMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.ports import Brain
    from daemon.events import Event

ENOUGH_RECORDS = 100


class LabelWatch:
    """Looks at a brain's own counts: `examples`, records with a label, and `unlabelled`, those without.

    Args:
        brain: that learns.
    """

    def __init__(self, brain: Brain) -> None:
        self._brain = brain if isinstance(brain, Labelling) else None
        self._looked = False
        self._named = 0

    def look(self, metrics: Mapping[str, float], step: int) -> list[Event]:
        """The warnings that are due: none had a label, once; each label beyond the room for them, once a session."""
        if self._brain is None:
            return []
        return [*self._missing(metrics, step), *self._beyond(step, self._brain)]

    def _missing(self, metrics: Mapping[str, float], step: int) -> list[Event]:
        examples, unlabelled = metrics.get("examples"), metrics.get("unlabelled")
        if self._looked or examples is None or unlabelled is None or examples + unlabelled < ENOUGH_RECORDS:
            return []
        self._looked = True
        return [LabelsMissing(step=step, num_records=int(unlabelled))] if examples == 0 else []

    def _beyond(self, step: int, brain: Labelling) -> list[Event]:
        new = tuple(brain.labels_beyond[self._named :])
        self._named += len(new)
        return [LabelsBeyond(step=step, labels=new, max_labels=brain.max_labels)] if new else []
