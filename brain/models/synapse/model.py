"""The SYNAPSE brain: an online learner over bytes, the default."""

from __future__ import annotations

from brain.models.synapse.spec import SynapseSpec
from brain.online.brain import OnlineBrain


class Synapse(OnlineBrain):
    """A byte-level learner without end.

    World model: the next byte. Self model: its own next state, behind a stop-gradient. Workspace: the mixer
    and the MLP of each block, those of columns included. Confidence: the probability of its best guess.
    """

    architecture = SynapseSpec
