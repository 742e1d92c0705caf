"""Adam for an embedding table of which each step touches few rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brain.optim.adam import update_moments

if TYPE_CHECKING:
    from brain.blocks.row_table import TouchedRows
    from brain.optim.config import OptimizerConfig


class RowAdam:
    """Each row is a parameter of its own that lives through the steps that read it, and through no others.

    A row's moments decay and its step counts only when it is read, so its update is exactly Adam's over its
    own sequence of gradients. Dense Adam would keep moving a row by its stale momentum after it was last
    read, at the price of passing over the whole table (65,536 × 64) each step. No weight decay.

    Shapes: weight (R, D), exp_avg and exp_avg_sq (R, D), step (R,) float32.
    """

    def __init__(self, weight: Tensor, config: OptimizerConfig) -> None:
        self.weight, self.config = weight, config
        self.state = {
            "exp_avg": torch.zeros_like(weight, requires_grad=False),
            "exp_avg_sq": torch.zeros_like(weight, requires_grad=False),
            "step": torch.zeros(len(weight), device=weight.device),
        }

    @torch.no_grad()
    def step(self, touched: TouchedRows, learning_rate: float) -> None:
        """Update the touched rows from the gradient of their leaf."""
        if touched.leaf.grad is None:
            return
        # Sorted ids: only the first can be −1, the row that stands for "no row".
        first = int(touched.ids[0] < 0)
        ids, gradient = touched.ids[first:], touched.leaf.grad[first:]
        if not len(ids):
            return
        beta1, beta2 = self.config.betas
        step = self.state["step"].index_select(0, ids) + 1.0
        average = self.state["exp_avg"].index_select(0, ids)
        square = self.state["exp_avg_sq"].index_select(0, ids)
        correction_sq = (1.0 - beta2**step).unsqueeze(1)
        scale = update_moments(
            gradient,
            average,
            square,
            correction_sq=correction_sq,
            betas=self.config.betas,
            eps=self.config.eps,
        )
        size = (learning_rate / (1.0 - beta1**step)).unsqueeze(1)
        # The weight as it is now: it may have moved since these rows were read. Multiplied before it is divided,
        # as ever: another order would round otherwise than the runs that are stored.
        weight = self.weight.index_select(0, ids)
        self.weight.index_copy_(0, ids, weight - size * average / scale)
        for name, value in (("step", step), ("exp_avg", average), ("exp_avg_sq", square)):
            self.state[name].index_copy_(0, ids, value)
