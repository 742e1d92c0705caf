"""The choices of an acting brain, each with the text that its lane read because of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from brain.ports import Choice, Moment

MAX_CANDIDATES = 64
QUIET_STEPS = 1000  # without a choice for so long, the brain does not act (any more)
MAX_ROWS = 16  # of the text after a choice, that much is kept


@dataclass
class _Pending:
    """A choice, and the rows its lane has read since."""

    choice: Choice
    rows: list[NDArray[np.uint8]] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """Text that followed a choice: its first rows (`first`), or, once the lane moves on, all of it."""

    choice: Choice
    text: NDArray[np.uint8]
    first: bool

    def offered(self) -> NDArray[np.bool_]:
        """Which of the candidates were open to the choice, (A,)."""
        offered = np.full(self.choice.candidates, not self.choice.offered)
        offered[list(self.choice.offered)] = True
        return offered


class ChoiceFollower:
    """Follows each lane from its choice on; the row of the choice's own batch is the first read because of it.

    Args:
        rows_after: rows that count as the outcome of a choice.
    """

    def __init__(self, *, rows_after: int) -> None:
        self.num_randomised = 0
        self.num_too_many = 0  # randomised ones among more candidates than MAX_CANDIDATES
        self.quiet_steps: int | None = None  # since the last choice; None before the first
        self._rows_after = rows_after
        self._pending: dict[int, _Pending] = {}

    @property
    def acts(self) -> bool:
        """Whether the brain has been choosing of late."""
        return self.quiet_steps is not None and self.quiet_steps < QUIET_STEPS

    def observe(self, moment: Moment) -> list[Outcome]:
        """What became of earlier choices by this moment; this moment's own choices begin."""
        if moment.choices:
            self.quiet_steps = 0
        elif self.quiet_steps is not None:
            self.quiet_steps += 1
        outcomes = [outcome for choice in moment.choices for outcome in self._begin(choice)]
        if not self._pending:
            return outcomes
        rows, mask = moment.batch.bytes.cpu().numpy(), moment.batch.mask.cpu().numpy()
        for row, lane in enumerate(moment.batch.lane.tolist()):
            pending = self._pending.get(lane)
            if pending is not None and len(pending.rows) < MAX_ROWS:
                pending.rows.append(rows[row][mask[row]])
                if len(pending.rows) == self._rows_after:
                    outcomes.append(Outcome(pending.choice, np.concatenate(pending.rows), first=True))
        return outcomes

    def forget_pending(self) -> None:
        """Drop what has not been followed to its end: at a restart it is lost."""
        self._pending = {}

    def _begin(self, choice: Choice) -> list[Outcome]:
        finished = self._finish(choice.lane)
        if choice.candidates < 2:
            return finished
        self.num_randomised += choice.randomised
        if choice.candidates > MAX_CANDIDATES:
            self.num_too_many += choice.randomised
            return finished
        self._pending[choice.lane] = _Pending(choice)
        return finished

    def _finish(self, lane: int) -> list[Outcome]:
        pending = self._pending.pop(lane, None)
        if pending is None or not pending.rows:
            return []
        text = np.concatenate(pending.rows)
        all_of_it = Outcome(pending.choice, text, first=False)
        if len(pending.rows) < self._rows_after:  # it moved on early: what it did read counts
            return [Outcome(pending.choice, text, first=True), all_of_it]
        return [all_of_it]
