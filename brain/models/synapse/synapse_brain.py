"""The SYNAPSE brain: an online learner over bytes, the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from brain.models.synapse.spec import SynapseSpec
from brain.online.online_brain import OnlineBrain

if TYPE_CHECKING:
    from brain.models.synapse.network import SynapseNetwork


class Synapse(OnlineBrain[SynapseSpec]):
    """A byte-level online learner.

    World model: the next byte. Self model: its own next state, behind a stop-gradient. Workspace: the mixer
    and the MLP of each block, those of columns included. Confidence: the probability of its best guess.
    """

    architecture = SynapseSpec

    @property
    def network(self) -> SynapseNetwork:
        """What predicts."""
        return cast("SynapseNetwork", self.learner.network)
