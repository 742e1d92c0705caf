"""What each byte, and the place before the first, is to a stream: one row of a matrix, drawn at birth."""

from __future__ import annotations

import torch
from torch import nn

from brain.blocks.bigram import NO_BYTE

EMBEDDING_SPREAD = 0.1


def new_embedding(width: int) -> nn.Parameter:
    """An embedding (257, width), still to be drawn."""
    return nn.Parameter(torch.empty(NO_BYTE + 1, width))


@torch.no_grad()
def draw_embedding(embedding: nn.Parameter, generator: torch.Generator) -> None:
    """Draw every row again."""
    embedding.normal_(0.0, EMBEDDING_SPREAD, generator=generator)
