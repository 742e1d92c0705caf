"""The inverse model q(a | s, s′): which candidate was chosen, from how well what followed fits each.

A softmax over candidates of a few weighted fits. The weights are shared by all candidates, so some hundred choices
are plenty; where choices have no effect, no candidate fits better than chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from brain.vitals.action_information import Agency, Array, barber_agakov

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

CHUNK = 16  # choices scored before the model learns again
_RATE = 0.3
_LEARNING_ROUNDS = 12
_MINIBATCH = 64


class CandidateModel:
    """Softmax over the offered candidates of their weighted fits, learned by AdaGrad."""

    def __init__(self, num_fits: int) -> None:
        self.weights: Array = np.zeros(num_fits)
        self.squares: Array = np.zeros(num_fits)

    def log_probabilities(self, fits: Array, offered: NDArray[np.bool_]) -> Array:
        """Ln q(a | s, s′), (N, A), for fits (N, A, F); candidates not offered get no mass."""
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


class ScoredChoices:
    """The newest randomised choices, each scored by the inverse model before the model learned from it.

    Args:
        num_fits: fits of a candidate.
        window: choices that are kept.
        at_least: choices that the estimate is made of, where there are as many.
        seed: of the generator that picks what is learned from.
    """

    def __init__(self, num_fits: int, *, window: int, at_least: int, seed: int) -> None:
        self.num_candidates = 0
        self._num_fits, self._window, self._at_least = num_fits, window, at_least
        self._model = CandidateModel(num_fits)
        self._generator = torch.Generator().manual_seed(seed)
        self._fits: Array
        self._offered: NDArray[np.bool_]
        self._chosen: NDArray[np.int64]
        self._log_q: Array
        self.clear(0)

    def __len__(self) -> int:
        return len(self._chosen)

    def clear(self, num_candidates: int) -> None:
        """Start over: outcomes of another set of candidates say nothing about this one."""
        self.num_candidates = num_candidates
        self._fits = np.zeros((0, num_candidates, self._num_fits))
        self._offered = np.zeros((0, num_candidates), np.bool_)
        self._chosen = np.zeros(0, np.int64)
        self._log_q = np.zeros(0)

    def score(self, fits: Array, offered: NDArray[np.bool_], chosen: NDArray[np.int64]) -> None:
        """Score choices (N,) by their fits (N, A, F), then learn from them and from those before."""
        log_q = self._model.log_probabilities(fits, offered)[np.arange(len(chosen)), chosen]
        self._fits = np.concatenate([self._fits, fits])[-self._window :]
        self._offered = np.concatenate([self._offered, offered])[-self._window :]
        self._chosen = np.concatenate([self._chosen, chosen])[-self._window :]
        self._log_q = np.concatenate([self._log_q, log_q])[-self._window :]
        for _ in range(_LEARNING_ROUNDS):
            picked = torch.randint(len(self._chosen), (_MINIBATCH,), generator=self._generator).numpy()
            self._model.learn(self._fits[picked], self._offered[picked], self._chosen[picked])

    def estimate(self) -> Agency | None:
        """The Barber–Agakov bound over the newer half of the window; the older half taught the model."""
        kept = slice(-max(self._at_least, len(self) // 2), None)
        return barber_agakov(self._log_q[kept], np.log(self._offered[kept].sum(1)))

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Window, model and random state."""
        return {
            f"{prefix}.random": self._generator.get_state(),
            f"{prefix}.fits": torch.from_numpy(self._fits),
            f"{prefix}.offered": torch.from_numpy(self._offered),
            f"{prefix}.chosen": torch.from_numpy(self._chosen),
            f"{prefix}.log_q": torch.from_numpy(self._log_q),
            f"{prefix}.weights": torch.from_numpy(np.stack([self._model.weights, self._model.squares])),
        }

    def load(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        """Take back what `tensors` gave; over fits of another kind it starts over."""
        if f"{prefix}.log_q" not in tensors:
            return
        fits = tensors[f"{prefix}.fits"].cpu().numpy().copy()
        if fits.shape[2] != self._num_fits:
            return
        self._generator.set_state(tensors[f"{prefix}.random"].cpu())
        self.clear(fits.shape[1])
        self._fits = fits
        self._offered = tensors[f"{prefix}.offered"].cpu().numpy().copy()
        self._chosen = tensors[f"{prefix}.chosen"].cpu().numpy().copy()
        self._log_q = tensors[f"{prefix}.log_q"].cpu().numpy().copy()
        self._model.weights, self._model.squares = tensors[f"{prefix}.weights"].cpu().numpy().copy()
