"""The TARS brain: an online learner over bytes in which two recurrences are fused."""

from __future__ import annotations

from brain.models.tars.spec import TarsSpec
from brain.online.brain import OnlineBrain


class Tars(OnlineBrain[TarsSpec]):
    """A byte-level learner without end: state space and WKV side by side, experts and refinement by the byte.

    What it carries from byte to byte is of constant size: two matrix states a block, and the last inputs.
    """

    architecture = TarsSpec
