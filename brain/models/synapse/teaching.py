"""What the slow weights teach: the chances they give each byte of a row, read from a reset state.

Shapes: R rows, T positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from brain.blocks.byte_loss import cap_logits
from brain.blocks.span import Span

if TYPE_CHECKING:
    from brain.averaging.averages import Averages, Which
    from brain.models.synapse.network import SynapseNetwork


@dataclass(frozen=True)
class Lesson:
    """Log-chances (R, T, 256) that a batch's rows `row` (R,) should be given, and how much it counts.

    A row on which the pupil itself is surer is left alone: a slow average lags behind what was learned last.
    """

    row: Tensor
    log_chance: Tensor
    weight: float

    def loss(self, logits: Tensor, rows: Tensor, mask: Tensor, cap: float) -> Tensor:
        """Weighted mean divergence of a batch's logits (B, T, 256) from the lesson, over its valid bytes."""
        # `cap_logits` works in place, which a gradient does not survive.
        own = ((logits[self.row].float() / cap).tanh() * cap).log_softmax(dim=-1)
        apart = functional.kl_div(own, self.log_chance, reduction="none", log_target=True).sum(dim=-1)
        surer = self._nats(rows, mask) < _nats(own.detach(), rows[self.row], mask[self.row])
        valid = mask[self.row] & surer[:, None]
        return self.weight * apart.masked_fill(~valid, 0.0).sum() / mask[self.row].sum().clamp(min=1)

    def _nats(self, rows: Tensor, mask: Tensor) -> Tensor:
        return _nats(self.log_chance, rows[self.row], mask[self.row])


class Teacher:
    """The averages of a network, asked about rows of its batches."""

    def __init__(self, network: SynapseNetwork, averages: Averages, dtype: torch.dtype) -> None:
        self.network, self.averages, self.dtype = network, averages, dtype

    def surest(self, rows: Tensor, mask: Tensor, row: Tensor) -> Lesson:
        """Each row from whichever average finds it less surprising. Source: Arani et al. 2022, CLS-ER."""
        weight = self.averages.config.consistency_weight
        plastic, stable = (self._read(which, rows[row]) for which in ("plastic", "stable"))
        surprise = [_nats(log_chance, rows[row], mask[row]) for log_chance in (plastic, stable)]
        chosen = torch.where((surprise[0] < surprise[1])[:, None, None], plastic, stable)
        return Lesson(row=row, log_chance=chosen, weight=weight)

    def stable(self, rows: Tensor, row: Tensor) -> Lesson:
        """Every row from the stable average: what sleep consolidates."""
        weight = self.averages.config.distillation_weight
        return Lesson(row=row, log_chance=self._read("stable", rows[row]), weight=weight)

    @torch.no_grad()
    def _read(self, which: Which, rows: Tensor) -> Tensor:
        with self.averages.worn(which):
            span = Span.beginning(*rows.shape, device=rows.device, dtype=self.dtype)
            logits = self.network(rows, span, None).logits
        return cap_logits(logits, self.network.config.logit_cap).log_softmax(dim=-1)


def _nats(log_chance: Tensor, rows: Tensor, mask: Tensor) -> Tensor:
    """Summed nats of each row (R,)."""
    chosen = log_chance.gather(-1, rows.long().unsqueeze(-1)).squeeze(-1)
    return -chosen.masked_fill(~mask, 0.0).sum(dim=1)
