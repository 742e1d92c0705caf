"""Latent thinking: a state is refined in place for K steps, by shared weights or by those of each step.

    z ← z + σ(W LN z) ⊙ MLP(LN z)

The MLP's output matrix begins at zero, so that at birth a step changes nothing. With an exit a position stops where the
exits it passed add up to one half: λ_k = σ(e · LN z_k + b) is the share of what is left that stops after step k, and

    p_k = λ_k Π_{j<k} (1 − λ_j),   p_K = Π_{j<K} (1 − λ_j).

Shapes: … positions, d width of a state.

Source: Banino et al. 2021, "PonderNet", for the exit's distribution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from brain.blocks.linear import Linear
from brain.blocks.mlp import MLP
from brain.blocks.norm import rms_norm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STOPPED = 0.5  # a position stops where its exits add up to this
INITIAL_BIAS = -2.0  # an eighth stops at each step: at birth all steps are taken


class ThinkingStep(MLP):
    """An MLP, whose hidden units are a growth site, and a gate of each channel that lets its output through."""

    def __init__(self, size: int, *, hidden: int, born_hidden: int | None = None) -> None:
        super().__init__(size, hidden=hidden, born_hidden=born_hidden)
        self.gate = Linear(size, size)

    def thought(self, z: Tensor, dtype: torch.dtype) -> Tensor:
        """What the step adds to z; matrix products are in `dtype`."""
        normed = rms_norm(z, dtype)
        added: Tensor = torch.sigmoid(self.gate(normed)) * self(normed)
        return added


class Thinking(nn.ModuleList):
    """The steps: one that is taken again and again, or one after another.

    Attributes:
        tied: whether there is one.
        exit: the row e; None without an exit.
        exit_bias: b.
        halts: whether positions stop at their exits while nothing is learned.
    """

    def __init__(self, steps: Iterable[ThinkingStep], *, size: int, tied: bool, halting: bool) -> None:
        super().__init__(steps)
        self.tied, self.halts = tied, halting
        self.exit = nn.Parameter(torch.empty(size)) if halting else None
        self.exit_bias = nn.Parameter(torch.empty(1)) if halting else None

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """The exit begins alike everywhere."""
        del generator
        if self.exit is not None and self.exit_bias is not None:
            self.exit.zero_()
            self.exit_bias.fill_(INITIAL_BIAS)

    @property
    def most(self) -> int | None:
        """Steps that can be taken; None where there is no end."""
        return None if self.tied else len(self)

    def step(self, number: int) -> ThinkingStep:
        """The one that is taken at `number`, from 0."""
        chosen = self[0 if self.tied else number]
        assert isinstance(chosen, ThinkingStep)
        return chosen

    def forward(
        self, z: Tensor, num_steps: int, dtype: torch.dtype, *, alone: Tensor | None = None
    ) -> list[Tensor]:
        """States from before the first step to behind the last: `num_steps` + 1 of (…, d).

        While nothing is learned, positions whose exits add up to one half stay as they are. `alone` is what the steps
        read in place of the state once wires are cut.
        """
        states = [z]
        left = None
        for number in range(num_steps):
            added = self.step(number).thought(z if alone is None else alone, dtype)
            if self.halts and not torch.is_grad_enabled():
                left = (1.0 if left is None else left) * (1.0 - self.openness(z))
                going = left > 1.0 - STOPPED
                if not bool(going.any()):
                    break
                added = added.masked_fill(~going, 0.0)
            z = z + added
            states.append(z)
        return states

    def openness(self, z: Tensor) -> Tensor:
        """λ of states (…, d): (…, 1), in at least float32."""
        assert self.exit is not None
        assert self.exit_bias is not None
        wide = rms_norm(z, torch.promote_types(z.dtype, torch.float32))
        # Row by row: the last bits of a matrix product with one column depend on where in the batch a row stands.
        return torch.sigmoid((wide * self.exit).sum(dim=-1, keepdim=True) + self.exit_bias)

    def exits(self, states: Sequence[Tensor]) -> Tensor:
        """Shares p of each number of steps, (…, K + 1), of the K + 1 states of a pass; it moves no state."""
        left: Tensor | float = 1.0
        shares = []
        for state in states[:-1]:
            stops = self.openness(state.detach())
            shares.append(left * stops)
            left = left * (1.0 - stops)
        last = left if isinstance(left, Tensor) else torch.ones_like(states[0][..., :1])
        return torch.cat([*shares, last], dim=-1)


def exit_loss(shares: Tensor, nats: Tensor, *, price: float, entropy_weight: float) -> Tensor:
    """Mean over positions of what exits cost: Σ p_k (L_k − L_0 + k · price), less their entropy.

    Args:
        shares: p (N, K + 1).
        nats: L (N, K + 1), of what each number of steps would have predicted; without a gradient.
        price: nats of a step.
        entropy_weight: keeps exits from being sure too early.

    >>> shares = torch.tensor([[0.5, 0.5]])
    >>> round(exit_loss(shares, torch.tensor([[2.0, 1.0]]), price=0.0, entropy_weight=0.0).item(), 4)
    -0.5
    """
    steps = torch.arange(shares.shape[-1], device=shares.device)
    cost = nats - nats[..., :1] + price * steps
    entropy = -(shares * shares.clamp(min=1e-9).log()).sum(dim=-1)
    return ((shares * cost).sum(dim=-1) - entropy_weight * entropy).sum() / max(len(shares), 1)
