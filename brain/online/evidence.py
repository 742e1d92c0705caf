"""What a step leaves behind for the self-prediction error: bounded, detached, and chosen without randomness."""

from __future__ import annotations

import torch
from torch import Tensor

NUM_STATES = 256


def gather_states(live: Tensor, states: Tensor, predicted: Tensor) -> dict[str, Tensor]:
    """State, next state and the self model's prediction of it at up to 256 evenly spaced live positions.

    Shapes: live (B, S) bool, states (B, S, d), predicted (B, S − 1, d); results (N, d), N ≤ 256.
    """
    both = (live[:, 1:] & live[:, :-1]).flatten().nonzero().squeeze(1)
    if len(both) > NUM_STATES:
        both = both[torch.arange(NUM_STATES, device=both.device) * len(both) // NUM_STATES]
    row, time = both // (live.shape[1] - 1), both % (live.shape[1] - 1)
    return {
        "state": states[row, time],
        "next_state": states[row, time + 1],
        "predicted_state": predicted[row, time],
    }
