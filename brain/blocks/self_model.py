"""A self model: an MLP that predicts the network's next state from the present one, without a say in the network.

Shapes: B rows, S symbols, d width of the state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from brain.blocks.mlp import MLP

SELF_MODEL = "self_model"  # the name of the part, its growth site and its loss


def predict_states(
    self_model: MLP, states: Tensor, read: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """The mean squared error of predicting states[:, 1:] (B, S, d) where `read` (B, S) holds, and the predictions.

    The states are detached: they cannot be moved to be easier to predict.
    """
    states = states.detach()
    predicted = self_model(states[:, :-1].to(dtype)).to(states.dtype)
    both = (read[:, 1:] & read[:, :-1]).unsqueeze(-1)
    error = (predicted - states[:, 1:]).square().masked_fill(~both, 0.0)
    return error.sum() / (both.sum() * states.shape[-1]).clamp(min=1), predicted
