"""The TARS brain: an online learner over bytes in which two recurrences are fused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from brain.models.tars.spec import TarsSpec
from brain.online.online_brain import OnlineBrain
from brain.phase_proof import PhaseProof, digests_of, prove

if TYPE_CHECKING:
    import torch

    from brain.optim.config import OptimizerConfig


class Tars(OnlineBrain[TarsSpec]):
    """A byte-level online learner: state space and WKV side by side, experts and refinement by the byte.

    What it carries from byte to byte is of constant size: two matrix states a block, and the last inputs.
    """

    architecture = TarsSpec

    @classmethod
    def build(
        cls, config: Any, *, optimizer: OptimizerConfig, lanes: int, device: torch.device, seed: int
    ) -> Self:
        """A newborn of `config`, at the beginning of its phase."""
        brain = super().build(config, optimizer=optimizer, lanes=lanes, device=device, seed=seed)
        brain.begin_phase()
        return brain

    def begin_phase(self) -> None:
        """Note what every weight is now, for `proof`; nothing without a phase."""
        if self.spec.config.phase is not None:
            self.spec = replace(self.spec, begun=digests_of(self.learner.weights()))

    def proof(self) -> PhaseProof | None:
        """What became of the weights since the phase began; None without a phase."""
        phase = self.spec.config.phase
        if phase is None or not self.spec.begun:
            return None
        weights = self.learner.weights()
        frozen = {name for name in weights if not self.spec.learns(name)} | set(self.spec.frozen_by_hand)
        return prove(phase, self.spec.begun, weights, self.learner.optimizer.tensors(), frozen)
