"""Settings of online learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from brain.averaging.config import AveragingConfig
from brain.plasticity.config import BrainPlasticityConfig


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Warm-up, then a constant rate for ever: a learner without end has no schedule to finish.

    `learning_rate` is AdamW's; with kind "muon" hidden matrices take `muon_learning_rate` and the rest stays
    AdamW. A unit born or renewed later takes `unit_warmup_steps` of its own to come to the full rate.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 3e-3
    muon_learning_rate: float = 0.02
    muon_momentum: float = 0.95
    betas: tuple[float, float] = (0.8, 0.95)
    eps: float = 1e-8
    weight_decay: float = 0.0
    warmup_steps: int = 100
    unit_warmup_steps: int = 50
    clip_norm: float = 1.0
    averaging: AveragingConfig = field(default_factory=AveragingConfig)
    plasticity: BrainPlasticityConfig = field(default_factory=BrainPlasticityConfig)
