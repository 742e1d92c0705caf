"""What a step leaves behind for vital signs: bounded, detached, and chosen without chance."""

from __future__ import annotations

import torch
from torch import Tensor

NUM_STATES = 256


def gather_evidence(
    rows: Tensor, live: Tensor, log_chance: Tensor, states: Tensor, predicted: Tensor
) -> dict[str, Tensor]:
    """Confidence of every live byte, and the self model's predictions at up to 256 evenly spaced live positions.

    Shapes: rows and live (B, T), log_chance (B, T, 256), states (B, T, d), predicted (B, T − 1, d).
    """
    best, guess = log_chance.max(dim=-1)
    both = (live[:, 1:] & live[:, :-1]).flatten().nonzero().squeeze(1)
    if len(both) > NUM_STATES:
        both = both[torch.arange(NUM_STATES, device=both.device) * len(both) // NUM_STATES]
    size = states.shape[-1]
    return {
        "confidence": best[live].exp(),
        "correct": (guess == rows)[live],
        "state": states[:, :-1].reshape(-1, size)[both],
        "next_state": states[:, 1:].reshape(-1, size)[both],
        "predicted_state": predicted.reshape(-1, size)[both],
    }
