"""Lanes that are due a reset: no lane may continue with a carried state of other text than that before its row.

Such a state is left behind by a step that was skipped, and by a roll-back. What the lane reads next begins from a
reset state, however much later that is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.trainer.state.checkpoint_form import Stored

if TYPE_CHECKING:
    from daemon.streams.experience import Experience


@dataclass(kw_only=True)
class LaneResets(Stored):
    """Those lanes, by number."""

    due_resets: list[int] = field(default_factory=list)

    def added_to(self, experience: Experience) -> Experience:
        """The experience with a reset in those lanes that are due one."""
        due = np.isin(experience.lane, self.due_resets)
        return replace(experience, reset=experience.reset | due) if due.any() else experience

    def note(self, experience: Experience, *, applied: bool) -> None:
        """After a step: its lanes have had their reset, or are due one because the step was not applied."""
        due, read = set(self.due_resets), set(experience.lane.tolist())
        self.due_resets = sorted(due - read if applied else due | read)

    def owe_all(self, lanes: int) -> None:
        """Every lane is due one."""
        self.due_resets = list(range(lanes))
