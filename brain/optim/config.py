"""Settings of online learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from brain.averaging.config import AveragingConfig
from brain.plasticity.config import BrainPlasticityConfig
from brain.ranges import AMOUNT, AMOUNT_OR_ZERO, COUNT_OR_ZERO, SOME_LEFT


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Warm-up, then a constant rate: endless learning has no schedule to finish.

    `learning_rate` is AdamW's; with kind "muon" hidden matrices take `muon_learning_rate` and the rest stays
    AdamW. A unit born or renewed later warms up over `unit_warmup_steps` of its own.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    learning_rate: Annotated[float, AMOUNT] = 3e-3
    muon_learning_rate: Annotated[float, AMOUNT] = 0.02
    muon_momentum: Annotated[float, SOME_LEFT] = 0.95
    betas: Annotated[tuple[float, float], SOME_LEFT] = (0.8, 0.95)
    eps: Annotated[float, AMOUNT] = 1e-8
    weight_decay: Annotated[float, AMOUNT_OR_ZERO] = 0.0
    warmup_steps: Annotated[int, COUNT_OR_ZERO] = 100
    unit_warmup_steps: Annotated[int, COUNT_OR_ZERO] = 50
    clip_norm: Annotated[float, AMOUNT] = 1.0
    averaging: AveragingConfig = field(default_factory=AveragingConfig)
    plasticity: BrainPlasticityConfig = field(default_factory=BrainPlasticityConfig)
