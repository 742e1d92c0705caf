"""The AGIFORMER brain: an online learner over patches of bytes that thinks before it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brain.models.agiformer.introspection import inspect_thinking
from brain.models.agiformer.spec import AgiformerSpec
from brain.online.brain import OnlineBrain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class Agiformer(OnlineBrain[AgiformerSpec]):
    """A learner without end whose blocks read patches of bytes, and whose decoder gives each byte its chance.

    What it carries from byte to byte is of constant size: a few bytes, a latent, and two states a block.
    """

    architecture = AgiformerSpec

    @property
    def thinks(self) -> bool:
        """False where `thinking_steps` is 0."""
        return bool(self.spec.config.thinking_steps)

    def inspect_thinking(self, batches: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Any]:
        """What each step of thinking brings; see `brain.models.agiformer.introspection`."""
        return inspect_thinking(self, batches)
