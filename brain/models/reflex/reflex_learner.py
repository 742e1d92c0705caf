"""One hidden layer over bags of features, learned row by row; the gradient is written out by hand.

A step reads and moves only the rows of its own features, so its cost is that of its texts, not of the table.

Shapes: n texts, U buckets that they use, F buckets, H hidden units, O outputs, m entries of all texts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from brain.averaging.averages import PREFIX as AVERAGE
from brain.averaging.averages import kept
from brain.models.reflex.bag import Bag, bag_of
from brain.optim.adam import adamw_update

if TYPE_CHECKING:
    from collections.abc import Sequence

    from brain.models.reflex.config import ReflexConfig
    from brain.optim.config import OptimizerConfig

GAIN = 4.0  # of the sum over features; a hidden unit then moves by about as much as its rows
ROW_SPREAD = 0.1  # of first rows
ROWS = "embedding.weight"
FEATURES, DOCUMENTS = "frequency.features", "frequency.documents"


@dataclass(frozen=True)
class Texts:
    """Bags ready for the network: the buckets used (U,) and how much of each a text has, (n, U)."""

    used: Tensor
    amount: Tensor

    def of(self, chosen: Tensor) -> Texts:
        """Those of the texts that a mask (n,) chooses."""
        return Texts(self.used, self.amount[chosen])


@dataclass(frozen=True)
class Gradient:
    """Of the rows of the buckets used (U, H) and of each other weight, and the norm of all of it."""

    used: Tensor
    rows: Tensor
    others: dict[str, Tensor]
    norm: float


def with_other(logits: Tensor) -> Tensor:
    """Logits (n, L) and behind them that of any label yet to come, which is 0: (n, L + 1)."""
    return torch.nn.functional.pad(logits, (0, 1))


class ReflexLearner:
    """The weights, how they learn, and their stable average.

    Args:
        config: shape and rates.
        optimizer: rate, moments and averaging.
        seed: of first weights, and of the features left out.
        device: where the tensors live; all draws are made on the CPU.
    """

    def __init__(
        self, config: ReflexConfig, *, optimizer: OptimizerConfig, seed: int, device: torch.device
    ) -> None:
        self.config, self.optimizer, self.device, self.seed = config, optimizer, device, seed
        self.num_updates = 0
        draw = torch.Generator().manual_seed(seed)
        rows = torch.randn(config.num_buckets, config.hidden_size, generator=draw) * ROW_SPREAD
        self.weights = {
            name: tensor.to(device)
            for name, tensor in (
                (ROWS, rows),
                ("hidden.bias", torch.zeros(config.hidden_size)),
                ("output.weight", torch.zeros(config.max_labels, config.hidden_size)),
                ("output.bias", torch.zeros(config.max_labels)),
            )
        }
        self.frequency = {
            FEATURES: torch.zeros(config.num_buckets, device=device),
            DOCUMENTS: torch.zeros(1, device=device),
        }
        self.squares = torch.zeros_like(self.weights[ROWS])
        self.moments = {
            name: (torch.zeros_like(weight), torch.zeros_like(weight))
            for name, weight in self.weights.items()
            if name != ROWS
        }
        averaged = self.weights if optimizer.averaging.every_steps else {}
        self.stable = {name: weight.clone() for name, weight in averaged.items()}

    # Reading.

    def texts(self, texts: Sequence[bytes], *, drop: bool = False) -> tuple[Bag, Texts]:
        """Bags of texts, and these ready for the network."""
        bag = bag_of(texts, self.config.num_buckets)
        return bag, self.read(bag, drop=drop)

    def read(self, bag: Bag, *, drop: bool = False) -> Texts:
        """Weigh the features by how rare they are.

        Those never read count for nothing; to learn, with `drop`, they count, and a share of all is left out by chance.
        """
        used, place = np.unique(bag.bucket, return_inverse=True)
        ids = torch.from_numpy(used).to(self.device)
        of = self.frequency[FEATURES][ids].cpu().numpy().astype(np.float64)
        total = float(self.frequency[DOCUMENTS])
        value = bag.values((1.0 + np.log((1.0 + total) / (1.0 + of)))[place])
        if not drop:
            value = value * (of > 0)[place]  # a row that was never learned is noise
        elif share := self.config.feature_dropout:
            stays = np.random.default_rng([self.seed, self.num_updates]).random(len(bag)) >= share
            value = value * stays / (1.0 - share)
        flat = np.bincount(bag.text * len(used) + place, value, minlength=bag.num_texts * len(used))
        amount = flat.astype(np.float32).reshape(bag.num_texts, len(used))
        return Texts(ids, torch.from_numpy(amount).to(self.device))

    def logits(self, texts: Texts, num_labels: int, *, weights: Literal["fast", "stable"] = "fast") -> Tensor:
        """(n, num_labels)."""
        own = self.stable if weights == "stable" and self.stable else self.weights
        return self._forward(texts, num_labels, own)[1]

    def _forward(self, texts: Texts, num_labels: int, own: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Hidden units (n, H) and logits (n, num_labels)."""
        rows = own[ROWS].index_select(0, texts.used)
        hidden = torch.addmm(own["hidden.bias"], texts.amount, rows, alpha=GAIN).relu_()
        out, bias = own["output.weight"][:num_labels], own["output.bias"][:num_labels]
        return hidden, torch.addmm(bias, hidden, out.T)

    # Learning.

    def gradient(self, texts: Texts, target: Tensor) -> Gradient:
        """Of the mean cross-entropy with targets (n, num_labels), each a distribution.

        A label yet to come competes with the logit 0 and is never right: without it all logits may drift together.
        """
        num_labels = target.shape[1]
        hidden, logits = self._forward(texts, num_labels, self.weights)
        error = (with_other(logits).softmax(1)[:, :num_labels] - target) / len(target)
        into = (error @ self.weights["output.weight"][:num_labels]).mul_(hidden > 0)
        others = {
            "hidden.bias": into.sum(0),
            "output.weight": error.T @ hidden,
            "output.bias": error.sum(0),
        }
        rows = (texts.amount.T @ into).mul_(GAIN)
        norm = math.sqrt(sum(float(part.square().sum()) for part in (rows, *others.values())))
        return Gradient(texts.used, rows, others, norm)

    def update(self, gradient: Gradient, *, rate: float, asleep: bool = False) -> None:
        """Step along a finite gradient, shortened to the clip norm; the stable average follows."""
        scale = min(1.0, self.optimizer.clip_norm / max(gradient.norm, 1e-12))
        self.num_updates += 1
        self._move_rows(gradient.used, gradient.rows * scale, rate * self.config.row_rate)
        beta1, beta2 = self.optimizer.betas
        known, known_sq = (
            torch.tensor(1.0 - beta**self.num_updates, device=self.device) for beta in (beta1, beta2)
        )
        for name, part in gradient.others.items():
            first = slice(0, len(part))  # outputs of labels to come have not begun
            exp_avg, exp_avg_sq = self.moments[name]
            adamw_update(
                self.weights[name][first],
                part * scale,
                exp_avg[first],
                exp_avg_sq[first],
                rate=torch.tensor(rate, device=self.device),
                corrections=(known, known_sq),
                betas=self.optimizer.betas,
                eps=self.optimizer.eps,
            )
        self._follow(asleep=asleep)

    def _move_rows(self, used: Tensor, gradient: Tensor, rate: float) -> None:
        squares = self.squares.index_select(0, used).mul_(self.config.row_memory).addcmul_(gradient, gradient)
        self.squares.index_copy_(0, used, squares)
        rows = self.weights[ROWS].index_select(0, used)
        rows.addcdiv_(gradient, squares.sqrt_().add_(1e-10), value=-rate)
        self.weights[ROWS].index_copy_(0, used, rows)

    def _follow(self, *, asleep: bool) -> None:
        """Let the stable average take in the weights."""
        averaging = self.optimizer.averaging
        if not self.stable or self.num_updates % averaging.every_steps:
            return
        most = min(averaging.stable, averaging.consolidation) if asleep else averaging.stable
        share = kept(self.num_updates - averaging.every_steps, self.num_updates, most)
        for name, average in self.stable.items():
            average.lerp_(self.weights[name], 1.0 - share)

    def count(self, bag: Bag, num_texts: int) -> None:
        """Count the features of the first `num_texts` texts: how rare each is follows from it."""
        buckets = torch.from_numpy(bag.bucket[bag.text < num_texts]).to(self.device)
        frequency = self.frequency[FEATURES]
        frequency.index_add_(0, buckets, torch.ones_like(buckets, dtype=frequency.dtype))
        self.frequency[DOCUMENTS].add_(num_texts)

    # What survives a restart.

    def model_tensors(self) -> dict[str, Tensor]:
        """What an answer needs."""
        return {**self.weights, **self.frequency}

    def learning_tensors(self) -> dict[str, Tensor]:
        """Moments and the stable average, by the names of their weights."""
        named = {f"{ROWS}|sum_sq": self.squares}
        for name, (exp_avg, exp_avg_sq) in self.moments.items():
            named |= {f"{name}|exp_avg": exp_avg, f"{name}|exp_avg_sq": exp_avg_sq}
        return named | {f"{AVERAGE}stable|{name}": average for name, average in self.stable.items()}

    def counters(self) -> dict[str, Any]:
        """What is no tensor."""
        return {"num_updates": self.num_updates, "seed": self.seed}

    def take_counters(self, counters: dict[str, Any]) -> None:
        """Set them."""
        self.num_updates, self.seed = int(counters["num_updates"]), int(counters["seed"])
