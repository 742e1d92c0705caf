"""What came of randomised choices: each scored by a learned inverse model before the model learns from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from brain.vitals.agency import Agency, barber_agakov
from brain.vitals.inverse_model import Array, InverseModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.ports import Batch, Choice, Moment
    from brain.vitals.signs.agency.config import AgencyConfig

MAX_CANDIDATES = 64
_NUM_FEATURES = 512  # byte frequencies before the choice, and after it
_CHUNK = 16  # choices scored before the model learns again
_LEARNING_ROUNDS = 12
_MINIBATCH = 64


@dataclass
class _Pending:
    """A randomised choice whose outcome is still being read."""

    chosen: int
    candidates: int
    before: Tensor
    after: Tensor
    rows_left: int


class ChoiceLedger:
    """Gathers outcomes of ε-choices by lane and bounds what they tell about the action taken.

    The row of a choice's lane in the batch that came with it is the first that was read because of it.
    """

    def __init__(self, config: AgencyConfig, *, seed: int) -> None:
        self.config = config
        self.acts = False
        self.num_randomised = 0
        self.num_too_many = 0
        self._model = InverseModel(
            num_features=_NUM_FEATURES,
            num_actions=MAX_CANDIDATES,
            num_hidden=16,
            weight_decay=1e-3,
            seed=seed,
        )
        self._generator = torch.Generator().manual_seed(seed)
        self._pending: dict[int, _Pending] = {}
        self._previous: Batch | None = None
        self._queue: list[tuple[Array, int, int]] = []
        self._features: Array = np.zeros((0, _NUM_FEATURES))
        self._outcomes: Array = np.zeros(
            (0, 3)
        )  # chosen, candidates, ln q of the chosen before it was learned

    def observe(self, moment: Moment) -> None:
        """Follow the lanes that have something pending, and begin what this moment's choices begin."""
        if moment.choices or self._pending:
            self.acts = True
            rows = {int(lane): index for index, lane in enumerate(moment.batch.lane.tolist()) if lane >= 0}
            for choice in moment.choices:
                self._begin(choice)
            for lane in [lane for lane in self._pending if lane in rows]:
                self._follow(lane, moment.batch, rows[lane])
        self._previous = moment.batch

    def settle(self) -> None:
        """Score what is queued, chunk by chunk, learning after each; run inside a measurement."""
        while self._queue:
            chunk, self._queue = self._queue[:_CHUNK], self._queue[_CHUNK:]
            features = np.stack([item[0] for item in chunk])
            chosen = np.array([item[1] for item in chunk])
            candidates = np.array([item[2] for item in chunk])
            log_q = self._model.log_probabilities(features, _open(candidates))[np.arange(len(chunk)), chosen]
            outcomes = np.stack([chosen, candidates, log_q], axis=1)
            self._features = np.concatenate([self._features, features])[-self.config.window_choices :]
            self._outcomes = np.concatenate([self._outcomes, outcomes])[-self.config.window_choices :]
            self._learn()

    def estimate(self) -> Agency | None:
        """The Barber–Agakov bound over the newer half of the window; the older half taught the model."""
        kept = self._outcomes[-max(self.config.warm_up_choices // 2, len(self._outcomes) // 2) :]
        return barber_agakov(kept[:, 2], np.log(kept[:, 1]))

    @property
    def num_scored(self) -> int:
        """Randomised choices in the window."""
        return len(self._outcomes)

    def tensors(self) -> dict[str, Tensor]:
        """Everything but what is pending: at most one outcome a lane is lost in a restart."""
        counts = [int(self.acts), self.num_randomised, self.num_too_many]
        own = {
            "choices.counts": torch.tensor(counts),
            "choices.random": self._generator.get_state(),
            "choices.features": torch.from_numpy(self._features).float(),
            "choices.outcomes": torch.from_numpy(self._outcomes),
        }
        if self._queue:
            own["choices.queued"] = torch.from_numpy(np.stack([item[0] for item in self._queue])).float()
            own["choices.queued_actions"] = torch.tensor([item[1:] for item in self._queue])
        return own | {f"choices.model.{name}": torch.from_numpy(v) for name, v in self._model.state().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        if "choices.counts" not in tensors:
            return
        acts, self.num_randomised, self.num_too_many = tensors["choices.counts"].tolist()
        self.acts = bool(acts)
        self._generator.set_state(tensors["choices.random"].cpu())
        self._features = tensors["choices.features"].cpu().double().numpy().copy()
        self._outcomes = tensors["choices.outcomes"].cpu().double().numpy().copy()
        prefix = "choices.model."
        self._model.load(
            {n[len(prefix) :]: t.cpu().numpy() for n, t in tensors.items() if n.startswith(prefix)}
        )
        self._pending, self._previous, self._queue = {}, None, []
        if "choices.queued" in tensors:
            actions = tensors["choices.queued_actions"].tolist()
            features = tensors["choices.queued"].cpu().double().numpy()
            self._queue = [(row, *pair) for row, pair in zip(features, actions, strict=True)]

    def _begin(self, choice: Choice) -> None:
        self._finish(choice.lane)
        if not choice.randomised or choice.candidates < 2:
            return
        self.num_randomised += 1
        if choice.candidates > MAX_CANDIDATES:
            self.num_too_many += 1
            return
        self._pending[choice.lane] = _Pending(
            chosen=choice.chosen,
            candidates=choice.candidates,
            before=self._heard_before(choice.lane),
            after=torch.zeros(256, dtype=torch.int64),
            rows_left=self.config.rows_after,
        )

    def _follow(self, lane: int, batch: Batch, row: int) -> None:
        pending = self._pending[lane]
        pending.after += _histogram(batch, row)
        pending.rows_left -= 1
        if pending.rows_left == 0:
            self._finish(lane)

    def _finish(self, lane: int) -> None:
        pending = self._pending.pop(lane, None)
        if pending is not None and pending.rows_left < self.config.rows_after:
            features = np.concatenate([_frequencies(pending.before), _frequencies(pending.after)])
            self._queue.append((features, pending.chosen, pending.candidates))

    def _heard_before(self, lane: int) -> Tensor:
        """Byte counts of the lane's row in the batch before, zeros when it sat out."""
        if self._previous is not None:
            rows = (self._previous.lane == lane).nonzero().flatten()
            if len(rows):
                return _histogram(self._previous, int(rows[0]))
        return torch.zeros(256, dtype=torch.int64)

    def _learn(self) -> None:
        for _ in range(_LEARNING_ROUNDS):
            picked = torch.randint(len(self._features), (_MINIBATCH,), generator=self._generator).numpy()
            outcomes = self._outcomes[picked].astype(np.int64)
            self._model.learn(self._features[picked], outcomes[:, 0], _open(outcomes[:, 1]))


def _histogram(batch: Batch, row: int) -> Tensor:
    valid = batch.bytes[row][batch.mask[row]].cpu().long()
    return torch.bincount(valid, minlength=256)


def _frequencies(counts: Tensor) -> Array:
    """Square roots of byte frequencies: a unit vector, in which rare bytes still show."""
    values = counts.double().numpy()
    return np.asarray(np.sqrt(values / max(1.0, float(values.sum()))) * math.sqrt(10.0))


def _open(candidates: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which of the MAX_CANDIDATES actions each choice really had, (N, A)."""
    return np.asarray(np.arange(MAX_CANDIDATES)[None, :] < candidates[:, None])
