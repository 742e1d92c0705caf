"""What the averaged weights teach: the probabilities they give each unit of a row, read from a reset state.

Shapes: B rows of a batch, R of them taught, S symbols of a row, V units of the vocabulary; patches have P units
between S and V.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from brain.blocks.loss import cap_logits, soft_capped
from brain.blocks.span import Span, per_row
from brain.codecs.codec import Symbols

if TYPE_CHECKING:
    from torch import Tensor

    from brain.averaging.averages import Averages, Which
    from brain.online.sequence_network import SequenceNetwork


@dataclass(frozen=True)
class SoftTargets:
    """Log-probabilities (R, S, V) that a batch's rows `row` (R,) should be given, and how much they count.

    A row on which the student itself is surer is left alone: an average lags behind what was learned last.
    """

    row: Tensor
    log_probs: Tensor
    weight: float

    def loss(self, logits: Tensor, symbols: Symbols, cap: float | None) -> Tensor:
        """Weighted divergence of a batch's logits (B, S, V) from the targets, per byte."""
        own = soft_capped(logits[self.row], cap).log_softmax(dim=-1)
        apart = functional.kl_div(own, self.log_probs, reduction="none", log_target=True).sum(dim=-1)
        taught = rows_of(symbols, self.row)
        surer = row_nats(self.log_probs, taught) < row_nats(own.detach(), taught)
        valid = taught.valid & per_row(surer, taught.valid)
        return self.weight * apart.masked_fill(~valid, 0.0).sum() / taught.num_bytes.sum().clamp(min=1)


class Teacher:
    """The averages of a network, asked about rows of its batches."""

    def __init__(self, network: SequenceNetwork, averages: Averages, dtype: torch.dtype) -> None:
        self.network, self.averages, self.dtype = network, averages, dtype

    def surest(self, symbols: Symbols, row: Tensor) -> SoftTargets:
        """Each row from whichever average finds it less surprising. Source: Arani et al. 2022, CLS-ER."""
        taught = rows_of(symbols, row)
        plastic, stable = (self._read(which, taught) for which in ("plastic", "stable"))
        surprise = [row_nats(log_probs, taught) for log_probs in (plastic, stable)]
        by_plastic = per_row(surprise[0] < surprise[1], plastic)
        return SoftTargets(
            row=row,
            log_probs=torch.where(by_plastic, plastic, stable),
            weight=self.averages.config.consistency_weight,
        )

    def stable(self, symbols: Symbols) -> SoftTargets:
        """Every row from the stable average: what sleep consolidates."""
        return SoftTargets(
            row=torch.arange(len(symbols.ids), device=symbols.ids.device),
            log_probs=self._read("stable", symbols),
            weight=self.averages.config.distillation_weight,
        )

    @torch.no_grad()
    def _read(self, which: Which, symbols: Symbols) -> Tensor:
        rows, length = symbols.ids.shape[:2]
        with self.averages.swapped_in(which):
            span = Span.beginning(rows, length, device=symbols.ids.device, dtype=self.dtype)
            logits = self.network(symbols, span, None).logits
        return cap_logits(logits, self.network.logit_cap).log_softmax(dim=-1)


def row_nats(log_probs: Tensor, symbols: Symbols) -> Tensor:
    """Summed nats of each row (R,)."""
    chosen = log_probs.gather(-1, symbols.ids.long().unsqueeze(-1)).squeeze(-1)
    return -chosen.masked_fill(~symbols.valid, 0.0).flatten(1).sum(dim=1)


def rows_of(symbols: Symbols, row: Tensor) -> Symbols:
    """The symbols of some rows."""
    return Symbols(ids=symbols.ids[row], valid=symbols.valid[row], num_bytes=symbols.num_bytes[row])
