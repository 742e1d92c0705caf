"""Settings of the vital signs; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass

from brain.vitals.signs.agency.config import AgencyConfig
from brain.vitals.signs.confidence.config import ConfidenceConfig
from brain.vitals.signs.dormant_share.config import DormantShareConfig
from brain.vitals.signs.effective_rank.config import EffectiveRankConfig
from brain.vitals.signs.integration.config import IntegrationConfig
from brain.vitals.signs.phi.config import PhiConfig
from brain.vitals.signs.self_prediction_error.config import SelfPredictionErrorConfig
from brain.vitals.signs.weight_norm.config import WeightNormConfig


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """How the modules of a brain are watched.

    Attributes:
        rows: rows of recent experience a tick.
        length: bytes of each.
        modules: architectural modules are joined, in order, to this many.
        components: leading principal components of each module.
        refresh_every_seconds: the components are found anew after so much training, and when the brain grew.
        refresh_below: they are too once they keep less than this share of the variance that they kept at first: a
            young brain soon leaves the directions it was first seen in.
    """

    rows: int = 16
    length: int = 48
    modules: int = 8
    components: int = 4
    refresh_every_seconds: float = 300.0
    refresh_below: float = 0.5


@dataclass(frozen=True, kw_only=True)
class VitalsConfig:
    """How often vital signs are measured and what they may cost.

    A tick every `every_steps` steps, stretched by the governor so that probes stay within `budget_share` of
    the time. `bands` overrides the healthy band of a vital sign by name; bands are a project convention.
    """

    enabled: bool = True
    every_steps: int = 50
    budget_share: float = 0.01
    bands: dict[str, tuple[float, float]] = field(default_factory=dict)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    phi: PhiConfig = field(default_factory=PhiConfig)
    agency: AgencyConfig = field(default_factory=AgencyConfig)
    integration: IntegrationConfig = field(default_factory=IntegrationConfig)
    confidence: ConfidenceConfig = field(default_factory=ConfidenceConfig)
    self_prediction_error: SelfPredictionErrorConfig = field(default_factory=SelfPredictionErrorConfig)
    dormant_share: DormantShareConfig = field(default_factory=DormantShareConfig)
    effective_rank: EffectiveRankConfig = field(default_factory=EffectiveRankConfig)
    weight_norm: WeightNormConfig = field(default_factory=WeightNormConfig)

    def __post_init__(self) -> None:
        """Refuse a band of nothing, or one upside down.

        Raises:
            ValueError: naming the band.
        """
        signs = sorted(
            {one.name for one in fields(self) if is_dataclass(getattr(self, one.name))} - {"probe"}
        )
        for name, (low, high) in self.bands.items():
            if name not in signs:
                raise ValueError(
                    f"vitals.bands.{name}: there is no such vital sign; there are {', '.join(signs)}"
                )
            if low > high:
                raise ValueError(f"vitals.bands.{name} = [{low:g}, {high:g}]: the lower edge comes first")
