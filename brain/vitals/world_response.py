"""How far the world answers the brain's choices: the candidate is recognised from the text that followed.

No brain takes part in it, so it is the same whatever the brain has learned: s is what the lane, and what all lanes
read last in each candidate, s′ the text after the choice, compared by bytes and by triples of bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from brain.vitals.choices import MAX_ROWS
from brain.vitals.scored_choices import CHUNK, ScoredChoices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from brain.vitals.action_information import Array
    from brain.vitals.choices import Outcome

NUM_FITS = 4  # the lane's or all lanes' text, by bytes or by triples of bytes
_BUCKETS = 4096  # of hashed triples
_WIDTH = 256 + _BUCKETS
_PRIOR_COUNTS = 128.0  # spread evenly over each kind of counts
_ROW_BYTES = 64


class WorldResponse:
    """Recognises candidates by their text: every outcome teaches what they look like, randomised ones are scored.

    Args:
        window: randomised choices that count, the newest.
        at_least: choices that the estimate is made of, where there are as many.
        seed: of the inverse model's generator.
    """

    def __init__(self, *, window: int, at_least: int, seed: int) -> None:
        self.scored = ScoredChoices(NUM_FITS, window=window, at_least=at_least, seed=seed)
        self._memory = TextMemory(max_bytes=MAX_ROWS * _ROW_BYTES)
        self._queue: list[Outcome] = []

    def follow(self, outcomes: Sequence[Outcome]) -> None:
        """Queue outcomes; recognising them is left to a measurement."""
        self._queue += outcomes

    def settle(self) -> None:
        """Score what is queued, chunk by chunk, learning after each."""
        while self._queue:
            taken: list[tuple[Outcome, Array]] = []
            while self._queue and len(taken) < CHUNK:
                outcome = self._queue.pop(0)
                choice = outcome.choice
                if choice.candidates != self.scored.num_candidates:
                    self.scored.clear(choice.candidates)
                    taken = []
                if not outcome.first:
                    self._memory.remember(choice.lane, choice.chosen, outcome.text)
                elif choice.randomised:
                    fits = self._memory.fits(choice.lane, outcome.text, range(choice.candidates))
                    taken.append((outcome, fits))
            if taken:
                self.scored.score(
                    np.stack([fits for _, fits in taken]),
                    np.stack([outcome.offered() for outcome, _ in taken]),
                    np.array([outcome.choice.chosen for outcome, _ in taken]),
                )

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Scored choices and remembered texts; what is queued is scored first."""
        self.settle()
        return self.scored.tensors(prefix) | self._memory.tensors(f"{prefix}.memory")

    def load(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        """Take back what `tensors` gave."""
        self._queue = []
        self.scored.load(tensors, prefix)
        self._memory.load(tensors, f"{prefix}.memory")


class TextMemory:
    """What each lane read last in each candidate, at most `max_bytes` of it."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._texts: dict[tuple[int, int], NDArray[np.uint8]] = {}
        self._sums: dict[int, Array] = {}  # counts of all lanes' texts, by candidate

    def fits(self, lane: int, text: NDArray[np.uint8], candidates: Sequence[int]) -> Array:
        """Mean log probability of a text under what is remembered of each candidate, (A, NUM_FITS)."""
        read = _counts(text)
        fits = np.empty((len(candidates), NUM_FITS))
        for row, candidate in enumerate(candidates):
            own = self._texts.get((lane, candidate))
            fits[row, :2] = _fit(read, np.zeros(_WIDTH) if own is None else _counts(own))
            fits[row, 2:] = _fit(read, self._sums.get(candidate, np.zeros(_WIDTH)))
        return fits

    def remember(self, lane: int, candidate: int, text: NDArray[np.uint8]) -> None:
        """The lane's newest text of a candidate, in place of the one before."""
        text = text[-self._max_bytes :]
        total = self._sums.setdefault(candidate, np.zeros(_WIDTH))
        if (before := self._texts.get((lane, candidate))) is not None:
            total -= _counts(before)
        total += _counts(text)
        self._texts[lane, candidate] = text

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """The texts behind each other, and lane, candidate and length of each."""
        if not self._texts:
            return {}
        keys = [(*key, len(text)) for key, text in self._texts.items()]
        texts = np.concatenate(list(self._texts.values()))
        return {f"{prefix}.keys": torch.tensor(keys), f"{prefix}.texts": torch.from_numpy(texts)}

    def load(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        """Take back what `tensors` gave."""
        self._texts, self._sums = {}, {}
        if f"{prefix}.keys" not in tensors:
            return
        texts, begin = tensors[f"{prefix}.texts"].cpu().numpy(), 0
        for lane, candidate, length in tensors[f"{prefix}.keys"].tolist():
            self.remember(lane, candidate, texts[begin : begin + length].copy())
            begin += length


def _counts(text: NDArray[np.uint8]) -> Array:
    """Counts of bytes, then of hashed triples."""
    codes = text.astype(np.int64)
    triples = (codes[2:] * 31 + codes[1:-1] * 7919 + codes[:-2] * 104729) % _BUCKETS
    return np.concatenate(
        [np.bincount(codes, minlength=256), np.bincount(triples, minlength=_BUCKETS)]
    ).astype(np.float64)


def _fit(read: Array, remembered: Array) -> tuple[float, float]:
    """Mean log probability of what was read under what is remembered, by bytes and by triples."""
    return _mean_log(read[:256], remembered[:256]), _mean_log(read[256:], remembered[256:])


def _mean_log(read: Array, remembered: Array) -> float:
    prior = _PRIOR_COUNTS / len(remembered)
    chances = np.log((remembered + prior) / (remembered.sum() + _PRIOR_COUNTS))
    return float(read @ chances / max(1.0, read.sum()))
