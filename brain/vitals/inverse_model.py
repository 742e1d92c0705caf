"""A learned inverse model q(a | s, s′): a small network with its own Adam, no part of any brain.

Numpy throughout, so that measuring agency draws nothing from the brain's generators and needs no device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = NDArray[np.float64]

_LARGE = 1e9
_RATE_UPDATES = 200  # the rate falls as 1 / (1 + updates / this), so that a settled model adds little noise,
_RATE_FLOOR = 0.05  # but never below this share: what actions lead to may change


class InverseModel:
    """One hidden tanh layer from (s, s′) features to logits over actions.

    Args:
        num_features: width of the joined features of s and s′.
        num_actions: most actions there can be; fewer may be open at a time.
        num_hidden: hidden units.
        learning_rate: Adam's rate at the beginning.
        weight_decay: decoupled decay of matrices, per unit of rate.
        seed: of the initial weights.
    """

    def __init__(
        self,
        *,
        num_features: int,
        num_actions: int,
        num_hidden: int = 64,
        learning_rate: float = 0.02,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        generator = np.random.default_rng(seed)
        self._rate, self._decay = learning_rate, weight_decay
        self._weights: dict[str, Array] = {
            "in": generator.normal(size=(num_features, num_hidden)) / np.sqrt(num_features),
            "in_bias": np.zeros(num_hidden),
            "out": np.zeros((num_hidden, num_actions)),
            "direct": np.zeros((num_features, num_actions)),
            "out_bias": np.zeros(num_actions),
        }
        self._first = {name: np.zeros_like(value) for name, value in self._weights.items()}
        self._second = {name: np.zeros_like(value) for name, value in self._weights.items()}
        self._updates = 0

    def log_probabilities(self, features: Array, open_actions: NDArray[np.bool_] | None = None) -> Array:
        """Ln q(a | s, s′), (N, A); closed actions get practically no mass."""
        return self._forward(features, open_actions)[0]

    def learn(
        self, features: Array, actions: NDArray[np.int64], open_actions: NDArray[np.bool_] | None = None
    ) -> None:
        """One Adam step on the cross-entropy of (N, F) features and (N,) actions."""
        log_q, hidden = self._forward(features, open_actions)
        error = np.exp(log_q)
        error[np.arange(len(actions)), actions] -= 1.0
        error /= len(actions)
        back = (error @ self._weights["out"].T) * (1.0 - hidden**2)
        gradients = {
            "in": features.T @ back,
            "in_bias": back.sum(0),
            "out": hidden.T @ error,
            "direct": features.T @ error,
            "out_bias": error.sum(0),
        }
        self._updates += 1
        rate = self._rate * max(_RATE_FLOOR, 1.0 / (1.0 + self._updates / _RATE_UPDATES))
        for name, gradient in gradients.items():
            first, second = self._first[name], self._second[name]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            unbiased = first / (1.0 - 0.9**self._updates)
            scale = np.sqrt(second / (1.0 - 0.999**self._updates)) + 1e-8
            if gradient.ndim == 2:
                self._weights[name] *= 1.0 - rate * self._decay
            self._weights[name] -= rate * unbiased / scale

    def state(self) -> Mapping[str, Array]:
        """Weights, moments and the number of updates, to survive a restart."""
        parts = {"weight": self._weights, "first": self._first, "second": self._second}
        arrays = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
        return {**arrays, "updates": np.array([float(self._updates)])}

    def load(self, state: Mapping[str, Array]) -> None:
        """Take a state back; one of another shape is left alone, the model then starts anew."""
        parts = {"weight": self._weights, "first": self._first, "second": self._second}
        expected = {
            f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()
        }
        if any(name not in state or state[name].shape != value.shape for name, value in expected.items()):
            return
        for part, values in parts.items():
            for name in values:
                values[name] = np.array(state[f"{part}.{name}"], dtype=np.float64)
        self._updates = int(state["updates"][0])

    def _forward(self, features: Array, open_actions: NDArray[np.bool_] | None) -> tuple[Array, Array]:
        hidden = np.tanh(features @ self._weights["in"] + self._weights["in_bias"])
        logits = (
            hidden @ self._weights["out"] + features @ self._weights["direct"] + self._weights["out_bias"]
        )
        if open_actions is not None:
            logits = np.where(open_actions, logits, -_LARGE)
        logits = logits - logits.max(1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(1, keepdims=True)), hidden
