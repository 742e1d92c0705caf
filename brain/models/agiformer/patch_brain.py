"""The AGIFORMER brain: an online learner over patches of bytes that thinks before it answers."""

from __future__ import annotations

from brain.models.agiformer.spec import AgiformerSpec
from brain.online.brain import OnlineBrain


class Agiformer(OnlineBrain[AgiformerSpec]):
    """A learner without end whose blocks read patches of bytes, and whose decoder gives each byte its chance.

    What it carries from byte to byte is of constant size: a few bytes, a latent, and two states a block.
    """

    architecture = AgiformerSpec
