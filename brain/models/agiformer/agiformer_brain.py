"""The AGIFORMER brain: an online learner over patches of bytes that thinks before it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brain.errors import SettingsError
from brain.models.agiformer.introspection import inspect_thinking
from brain.models.agiformer.network import AgiformerNetwork
from brain.models.agiformer.spec import AgiformerSpec
from brain.online.online_brain import OnlineBrain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class Agiformer(OnlineBrain[AgiformerSpec]):
    """An online learner whose blocks read patches of bytes, and whose decoder predicts each byte.

    What it carries from byte to byte is of constant size: a few bytes, a latent, and two states a block.
    """

    architecture = AgiformerSpec

    @property
    def thinking_steps(self) -> int:
        """K, the steps that the latent thinks now."""
        return self._network.thinking_steps

    @property
    def most_thinking_steps(self) -> int | None:
        """0 where the spec has no steps, None where all of them share their weights."""
        thinking = self._network.thinking
        return 0 if thinking is None else thinking.most

    def think(self, steps: int) -> None:
        """Think for this many steps from now on."""
        most = self.most_thinking_steps
        if most is not None and steps > most:
            raise SettingsError(f"it has {most} steps of thinking, {steps} are too many")
        self._network.thinking_steps = steps

    @property
    def _network(self) -> AgiformerNetwork:
        assert isinstance(self.network, AgiformerNetwork)
        return self.network

    def inspect_thinking(self, batches: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Any]:
        """What each step of thinking brings; see `brain.models.agiformer.introspection`."""
        return inspect_thinking(self, batches)
