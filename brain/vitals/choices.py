"""What came of randomised choices: each scored by a learned inverse model before the model learns from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from brain.vitals.action_information import Agency, barber_agakov
from brain.vitals.recognition import NUM_FITS, Recogniser, TextMemory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from brain.ports import Choice, Moment
    from brain.vitals.action_information import Array
    from brain.vitals.config import AgencyConfig

MAX_CANDIDATES = 64
QUIET_STEPS = 1000  # without a choice for so long, the brain does not act (any more)
_MAX_ROWS = 16  # of the text after a choice, that much is remembered
_CHUNK = 16  # choices scored before the model learns again
_LEARNING_ROUNDS = 12
_MINIBATCH = 64


@dataclass
class _Pending:
    """A choice, and the rows its lane has read since."""

    choice: Choice
    rows: list[NDArray[np.uint8]] = field(default_factory=list)


@dataclass(frozen=True)
class _Read:
    """Text that followed a choice: its first rows, to be scored, or all of it, to be remembered."""

    choice: Choice
    text: NDArray[np.uint8]
    scored: bool


class ChoiceLedger:
    """Gathers outcomes of choices by lane and bounds what they tell about the action taken.

    The row of a choice's lane in the batch that came with it is the first that was read because of it. Every
    choice teaches what candidates look like; only randomised ones are scored, and teach the inverse model.
    """

    def __init__(self, config: AgencyConfig, *, seed: int) -> None:
        self.config = config
        self.num_randomised = 0
        self.num_too_many = 0
        self._quiet_steps: int | None = None  # since the last choice; None before the first
        self._memory = TextMemory(max_bytes=_MAX_ROWS * 64)
        self._model = Recogniser()
        self._generator = torch.Generator().manual_seed(seed)
        self._pending: dict[int, _Pending] = {}
        self._queue: list[_Read] = []
        self._num_candidates = 0
        # The window, by randomised choice: fits, which were offered, chosen, ln q before it was learned.
        self._fits: Array
        self._offered: NDArray[np.bool_]
        self._chosen: NDArray[np.int64]
        self._log_q: Array
        self._clear(0)

    @property
    def acts(self) -> bool:
        """Whether the brain has been choosing of late."""
        return self._quiet_steps is not None and self._quiet_steps < QUIET_STEPS

    def observe(self, moment: Moment) -> None:
        """Follow the lanes that chose, and begin what this moment's choices begin."""
        if moment.choices:
            self._quiet_steps = 0
        elif self._quiet_steps is not None:
            self._quiet_steps += 1
        for choice in moment.choices:
            self._begin(choice)
        if not self._pending:
            return
        rows, mask = moment.batch.bytes.cpu().numpy(), moment.batch.mask.cpu().numpy()
        for row, lane in enumerate(moment.batch.lane.tolist()):
            pending = self._pending.get(lane)
            if pending is not None and len(pending.rows) < _MAX_ROWS:
                pending.rows.append(rows[row][mask[row]])
                if len(pending.rows) == self.config.rows_after:
                    self._queue.append(_Read(pending.choice, np.concatenate(pending.rows), scored=True))

    def settle(self) -> None:
        """Score what is queued, chunk by chunk, learning after each; run inside a measurement."""
        while self._queue:
            fits: list[Array] = []
            offered: list[NDArray[np.bool_]] = []
            chosen: list[int] = []
            while self._queue and len(chosen) < _CHUNK:
                read = self._queue.pop(0)
                choice = read.choice
                if choice.candidates != self._num_candidates:
                    self._clear(choice.candidates)
                    fits, offered, chosen = [], [], []
                if not read.scored:
                    self._memory.remember(choice.lane, choice.chosen, read.text)
                elif choice.randomised:
                    fits.append(self._memory.fits(choice.lane, read.text, range(choice.candidates)))
                    offered.append(_offered(choice))
                    chosen.append(choice.chosen)
            if chosen:
                self._score(np.stack(fits), np.stack(offered), np.array(chosen))

    def estimate(self) -> Agency | None:
        """The Barber–Agakov bound over the newer half of the window; the older half taught the model."""
        kept = slice(-max(self.config.warm_up_choices // 2, self.num_scored // 2), None)
        return barber_agakov(self._log_q[kept], np.log(self._offered[kept].sum(1)))

    @property
    def num_scored(self) -> int:
        """Randomised choices in the window."""
        return len(self._chosen)

    def tensors(self) -> dict[str, Tensor]:
        """Everything but what is pending: at most one text a lane is lost in a restart."""
        self.settle()  # so that what is queued need not be kept
        quiet = -1 if self._quiet_steps is None else self._quiet_steps
        return {
            "choices.counts": torch.tensor(
                [quiet, self.num_randomised, self.num_too_many, self._num_candidates]
            ),
            "choices.random": self._generator.get_state(),
            "choices.fits": torch.from_numpy(self._fits),
            "choices.offered": torch.from_numpy(self._offered),
            "choices.chosen": torch.from_numpy(self._chosen),
            "choices.log_q": torch.from_numpy(self._log_q),
            "choices.weights": torch.from_numpy(np.stack([self._model.weights, self._model.squares])),
        } | self._memory.tensors("choices.memory")

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave; over what an older definition wrote it starts anew."""
        if "choices.log_q" not in tensors:
            return
        quiet, self.num_randomised, self.num_too_many, num_candidates = tensors["choices.counts"].tolist()
        self._quiet_steps = None if quiet < 0 else quiet
        self._generator.set_state(tensors["choices.random"].cpu())
        self._pending, self._queue = {}, []
        self._clear(num_candidates)
        self._fits = tensors["choices.fits"].cpu().numpy().copy()
        self._offered = tensors["choices.offered"].cpu().numpy().copy()
        self._chosen = tensors["choices.chosen"].cpu().numpy().copy()
        self._log_q = tensors["choices.log_q"].cpu().numpy().copy()
        self._model.weights, self._model.squares = tensors["choices.weights"].cpu().numpy().copy()
        self._memory.load(tensors, "choices.memory")

    def _begin(self, choice: Choice) -> None:
        self._finish(choice.lane)
        if choice.candidates < 2:
            return
        self.num_randomised += choice.randomised
        if choice.candidates > MAX_CANDIDATES:
            self.num_too_many += choice.randomised
            return
        self._pending[choice.lane] = _Pending(choice)

    def _finish(self, lane: int) -> None:
        pending = self._pending.pop(lane, None)
        if pending is None or not pending.rows:
            return
        text = np.concatenate(pending.rows)
        if len(pending.rows) < self.config.rows_after:  # it moved on early: what it did read counts
            self._queue.append(_Read(pending.choice, text, scored=True))
        self._queue.append(_Read(pending.choice, text, scored=False))

    def _clear(self, num_candidates: int) -> None:
        """Outcomes of another set of candidates say nothing about this one."""
        self._num_candidates = num_candidates
        self._fits = np.zeros((0, num_candidates, NUM_FITS))
        self._offered = np.zeros((0, num_candidates), np.bool_)
        self._chosen = np.zeros(0, np.int64)
        self._log_q = np.zeros(0)

    def _score(self, fits: Array, offered: NDArray[np.bool_], chosen: NDArray[np.int64]) -> None:
        log_q = self._model.log_probabilities(fits, offered)[np.arange(len(chosen)), chosen]
        window = self.config.window_choices
        self._fits = np.concatenate([self._fits, fits])[-window:]
        self._offered = np.concatenate([self._offered, offered])[-window:]
        self._chosen = np.concatenate([self._chosen, chosen])[-window:]
        self._log_q = np.concatenate([self._log_q, log_q])[-window:]
        for _ in range(_LEARNING_ROUNDS):
            picked = torch.randint(len(self._chosen), (_MINIBATCH,), generator=self._generator).numpy()
            self._model.learn(self._fits[picked], self._offered[picked], self._chosen[picked])


def _offered(choice: Choice) -> NDArray[np.bool_]:
    """Which of the candidates were open to a choice, (A,)."""
    offered = np.full(choice.candidates, not choice.offered)
    offered[list(choice.offered)] = True
    return offered
