"""AdamW and Muon for a matrix whose units were not all born at once: each unit counts its own steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from brain.optim.adam import adamw_update

if TYPE_CHECKING:
    from brain.optim.config import OptimizerConfig

# Coefficients and number of the Newton–Schulz iterations, as in torch.optim.Muon (Jordan et al. 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class UnitOptimizer(Protocol):
    """Learns one matrix. `state` holds its moments and `step`, float32, one count a unit."""

    axis: int
    state: dict[str, Tensor]

    def step(self, warmth: float, scale: float = 1.0) -> None:
        """Update the matrix from its gradient; no gradient, no change.

        Args:
            warmth: share of the base rate that the run has warmed up to.
            scale: factor on every rate.
        """


def unit_steps(parameter: Tensor, axis: int, step: float = 0.0) -> Tensor:
    """A count for each unit along `axis`, shaped to broadcast over the matrix.

    >>> unit_steps(torch.zeros(3, 5), 0).shape, unit_steps(torch.zeros(3, 5), 1).shape
    (torch.Size([3, 1]), torch.Size([1, 5]))
    """
    shape = [1] * parameter.dim()
    shape[axis] = parameter.shape[axis]
    return torch.full(shape, step, dtype=torch.float32, device=parameter.device)


class _Counted:
    """What both have: the matrix, its axis of units, and how warm each unit is."""

    def __init__(self, parameter: nn.Parameter, axis: int, config: OptimizerConfig) -> None:
        self.parameter, self.axis, self.config = parameter, axis, config

    def _age(self, counted: Tensor, warmth: float) -> tuple[Tensor, Tensor]:
        """Count this step; how old each unit is now (from 1), and its share of the full rate."""
        age = counted.add_(1.0)
        # The less of both, not the product: units as old as a young run must not warm up twice.
        return age, (age / max(self.config.unit_warmup_steps, 1)).clamp_(max=warmth)


class UnitAdamW(_Counted):
    """AdamW with the bias correction, and the warm-up, of each unit's own age.

    A new unit whose moments start at zero under the age of existing units would take a first step of
    (1 − β₁) / √(1 − β₂), three times the rate for (0.9, 0.999); with an age of its own it is an Adam from its
    first step on, and existing units are not affected.
    """

    def __init__(self, parameter: nn.Parameter, axis: int, config: OptimizerConfig) -> None:
        super().__init__(parameter, axis, config)
        self.state = {
            "step": unit_steps(parameter, axis),
            "exp_avg": torch.zeros_like(parameter, requires_grad=False),
            "exp_avg_sq": torch.zeros_like(parameter, requires_grad=False),
        }

    @torch.no_grad()
    def step(self, warmth: float, scale: float = 1.0) -> None:
        """One step of AdamW at `learning_rate` × `warmth` × `scale`, slower for units that are still warming up."""
        gradient, config = self.parameter.grad, self.config
        if gradient is None:
            return
        beta1, beta2 = config.betas
        age, ripe = self._age(self.state["step"], warmth)
        rate = ripe.mul_(config.learning_rate * scale)
        adamw_update(
            self.parameter,
            gradient,
            self.state["exp_avg"],
            self.state["exp_avg_sq"],
            rate=rate,
            corrections=(1.0 - beta1**age, 1.0 - beta2**age),
            betas=config.betas,
            eps=config.eps,
            weight_decay=config.weight_decay,
        )


class UnitMuon(_Counted):
    """Muon in which the momentum of a new unit weighs as much as that of existing ones from its first step on."""

    def __init__(self, parameter: nn.Parameter, axis: int, config: OptimizerConfig) -> None:
        super().__init__(parameter, axis, config)
        self.state = {
            "step": unit_steps(parameter, axis),
            "momentum_buffer": torch.zeros_like(parameter, requires_grad=False),
        }

    @torch.no_grad()
    def step(self, warmth: float, scale: float = 1.0) -> None:
        """One step of Muon at `muon_learning_rate` × `warmth` × `scale`, slower for units that are still warming up."""
        gradient, config = self.parameter.grad, self.config
        if gradient is None:
            return
        momentum = config.muon_momentum
        age, ripe = self._age(self.state["step"], warmth)
        rate = ripe.mul_(config.muon_learning_rate * scale)
        buffer = self.state["momentum_buffer"].lerp_(gradient, 1.0 - momentum)
        direction = orthogonalize(gradient.lerp(buffer / (1.0 - momentum**age), momentum))
        rows, columns = self.parameter.shape
        if config.weight_decay:
            self.parameter.mul_(1.0 - rate * config.weight_decay)
        self.parameter.sub_(direction.to(gradient.dtype).mul_(rate * math.sqrt(max(1.0, rows / columns))))


def orthogonalize(matrix: Tensor) -> Tensor:
    """The nearest matrix with singular values about 1, in bfloat16, by the quintic Newton–Schulz iteration.

    Source: Jordan et al. 2024 (Muon).
    """
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
