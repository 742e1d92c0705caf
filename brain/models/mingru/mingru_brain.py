"""The minGRU language model as a brain."""

from __future__ import annotations

from brain.models.mingru.spec import MinGRUSpec
from brain.online.online_brain import OnlineBrain


class MinGRULanguageModel(OnlineBrain[MinGRUSpec]):
    """A byte-level online learner whose blocks are gated linear recurrences with an MLP each, and nothing else.

    What it carries from byte to byte is d numbers a block and the last three inputs of its convolution.
    Source: Feng et al. 2024, "Were RNNs all we needed?".
    """

    architecture = MinGRUSpec
