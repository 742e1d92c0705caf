"""The learned inverse model of reading: which candidate was chosen, told from the text that followed.

q(a | s, s′) is a softmax over candidates of how well s′, the text after the choice, fits s: what the lane,
and what all lanes read last in each candidate. The few weights are shared by candidates and learned from
outcomes, so some hundred choices are plenty; where choices have no effect, nothing fits better than chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from brain.vitals.action_information import Array

NUM_FITS = 4  # the lane's or all lanes' text, by bytes or by triples of bytes
_BUCKETS = 4096  # of hashed triples
_WIDTH = 256 + _BUCKETS
_PRIOR_COUNTS = 128.0  # spread evenly over each kind of counts
_RATE = 0.3


class TextMemory:
    """What each lane read last in each candidate, at most `max_bytes` of it."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._texts: dict[tuple[int, int], NDArray[np.uint8]] = {}
        self._sums: dict[int, Array] = {}  # counts of all lanes' texts, by candidate

    def fits(self, lane: int, text: NDArray[np.uint8], candidates: Sequence[int]) -> Array:
        """Mean log probability of a text under what is remembered of each candidate, (A, NUM_FITS)."""
        heard = _counts(text)
        fits = np.empty((len(candidates), NUM_FITS))
        for row, candidate in enumerate(candidates):
            own = self._texts.get((lane, candidate))
            fits[row, :2] = _fit(heard, np.zeros(_WIDTH) if own is None else _counts(own))
            fits[row, 2:] = _fit(heard, self._sums.get(candidate, np.zeros(_WIDTH)))
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


class Recogniser:
    """Softmax over the offered candidates of their weighted fits, by AdaGrad."""

    def __init__(self) -> None:
        self.weights: Array = np.zeros(NUM_FITS)
        self.squares: Array = np.zeros(NUM_FITS)

    def log_probabilities(self, fits: Array, offered: NDArray[np.bool_]) -> Array:
        """Ln q(a | s, s′), (N, A), for fits (N, A, NUM_FITS); candidates not offered get no mass."""
        logits = np.where(offered, fits @ self.weights, -np.inf)
        logits = logits - logits.max(1, keepdims=True)
        return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)))

    def learn(self, fits: Array, offered: NDArray[np.bool_], chosen: NDArray[np.int64]) -> None:
        """One step on the cross-entropy of the candidates chosen, (N,)."""
        error = np.exp(self.log_probabilities(fits, offered))
        error[np.arange(len(chosen)), chosen] -= 1.0
        gradient = np.einsum("na,naf->f", error, fits) / len(chosen)
        self.squares += gradient**2
        self.weights -= _RATE * gradient / np.sqrt(self.squares + 1e-12)


def _counts(text: NDArray[np.uint8]) -> Array:
    """Counts of bytes, then of hashed triples."""
    codes = text.astype(np.int64)
    triples = (codes[2:] * 31 + codes[1:-1] * 7919 + codes[:-2] * 104729) % _BUCKETS
    return np.concatenate(
        [np.bincount(codes, minlength=256), np.bincount(triples, minlength=_BUCKETS)]
    ).astype(np.float64)


def _fit(heard: Array, remembered: Array) -> tuple[float, float]:
    """Mean log probability of what was heard under what is remembered, by bytes and by triples."""
    return _mean_log(heard[:256], remembered[:256]), _mean_log(heard[256:], remembered[256:])


def _mean_log(heard: Array, remembered: Array) -> float:
    prior = _PRIOR_COUNTS / len(remembered)
    chances = np.log((remembered + prior) / (remembered.sum() + _PRIOR_COUNTS))
    return float(heard @ chances / max(1.0, heard.sum()))
